//! Notifies systemd, or another service manager, of the state of the process (`sd_notify`). Does
//! nothing without one.

use sd_notify::NotifyState;

/// The state of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has started.
    Ready,
    /// It is reading its configuration again.
    Reloading,
    /// It is shutting down.
    Stopping,
    /// Its database answers. The service manager's watchdog restarts the process when these notices
    /// end.
    Alive,
}

/// Sends the stage to the service manager. A failure is only logged.
pub fn tell_service_manager(stage: Stage) {
    let told = match stage {
        Stage::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Stage::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        Stage::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Stage::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
    if let Err(error) = told {
        tracing::debug!("the service manager cannot be told: {error}");
    }
}
