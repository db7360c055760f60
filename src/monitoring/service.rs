//! What systemd, or whoever takes its place, is told (`sd_notify`). Nothing where nobody listens.

use sd_notify::NotifyState;

/// Where the process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Ready,
    Reloading,
    Stopping,
    /// Its database answers; a watchdog that hears no more of it begins the process again.
    Alive,
}

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
