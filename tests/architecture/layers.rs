//! Who may use whom.

/// From the bottom up; a unit uses those below its own layer, and none beside it.
const LAYERS: [&[&str]; 6] = [
    &["domain"],
    &["notify::fanout", "notify::retry", "detect", "source", "store", "render"],
    &["command"],
    &["watch", "chat", "notify::outbox", "web"],
    &["app", "replay", "demo", "record", "check", "health", "status", "backup"],
    &["cli"],
];
const PURE: [&str; 5] = ["domain", "detect", "render", "notify::fanout", "notify::retry"];
/// Beside the layers; each may use the domain, and `config` the schedule.
const ASIDE: [&str; 3] = ["clock", "config", "schedule"];
/// Whoever wires or runs things by the config; all others are handed what they need.
const MAY_USE_CONFIG: [&str; 2] = ["watch", "command"];

/// The part of the house that a module belongs to: its first name, or its first two below `notify`. The roots of the
/// library and the binary, and `notify` itself, only wire.
pub(super) fn unit(module: &[String]) -> String {
    let names = if module.first().is_some_and(|name| name == "notify") { 2 } else { 1 };
    module[..names.min(module.len())].join("::")
}

pub(super) fn is_placed(unit: &str) -> bool {
    is_root(unit) || layer(unit).is_some() || ASIDE.contains(&unit)
}

pub(super) fn is_pure(unit: &str) -> bool {
    PURE.contains(&unit)
}

/// Whether `user` may import from `used`.
pub(super) fn may_use(user: &str, used: &str) -> Result<(), String> {
    if user == used || is_root(user) || is_root(used) || !is_placed(used) {
        return Ok(());
    }
    let top = LAYERS.len() - 2;
    let allowed = match used {
        "clock" => !is_pure(user) && user != "schedule",
        "config" => layer(user).is_some_and(|layer| layer >= top) || MAY_USE_CONFIG.contains(&user),
        "schedule" => {
            user == "config" || layer(user).is_some_and(|layer| layer >= top) || MAY_USE_CONFIG.contains(&user)
        }
        used => match (layer(user), layer(used)) {
            (Some(user), Some(used)) => used < user,
            // Those beside the layers.
            (None, Some(used)) => used == 0,
            (_, None) => true,
        },
    };
    if allowed { Ok(()) } else { Err(format!("{user} may not use {used}: imports point downwards only")) }
}

fn layer(unit: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&unit))
}

fn is_root(unit: &str) -> bool {
    matches!(unit, "" | "main" | "notify")
}
