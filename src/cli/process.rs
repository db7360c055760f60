//! What the process keeps to itself: its memory, and the files that it makes.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Switches core files off and gives new files to their owner alone.
///
/// Tokens are in memory in many copies: in the buffers of TLS, of HTTP and of the chat libraries. `RLIMIT_CORE` forbids a
/// core file. It does not hold where the kernel pipes cores to a program (`core_pattern` with `|`, as systemd-coredump
/// and apport set it); a process that is not dumpable makes none there either, and no other process of the same user may
/// read its memory or its environment (core(5), `PR_SET_DUMPABLE(2const)`).
pub(super) fn keep_secrets_in() {
    // Neither can fail for a process about itself, and nothing could be done about it.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}
