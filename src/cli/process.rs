//! Protection of the process's memory and of the files that it creates.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Switches core files off, and makes new files accessible to their owner only.
///
/// Tokens are in memory in many copies: in the buffers of TLS, of HTTP and of the chat libraries.
/// `RLIMIT_CORE` forbids a core file. It has no effect if the kernel pipes cores to a program
/// (`core_pattern` with `|`, as systemd-coredump and apport set it). A process that is not dumpable
/// creates none there either, and no other process of the same user may read its memory or its
/// environment (core(5), `PR_SET_DUMPABLE(2const)`).
pub(super) fn keep_secrets_in() {
    // Neither call can fail for the process's own limits, and there would be no remedy.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}
