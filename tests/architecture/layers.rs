//! Who may use whom.

/// From the bottom up; a unit uses those below its own layer, and none beside it.
const LAYERS: [&[&str]; 7] = [
    &["domain"],
    &[
        "notify::body",
        "notify::digest",
        "notify::fanout",
        "notify::pace",
        "notify::retry",
        "detect",
        "source",
        "store",
        "render",
    ],
    &["notify::suspend"],
    &["command", "notify::platform"],
    &["ingest", "chat", "notify::outbox", "monitoring", "page"],
    &["app", "replay", "demo", "record", "check", "health", "status", "backup"],
    &["cli"],
];
const PURE: [&str; 8] = [
    "domain",
    "detect",
    "render",
    "notify::body",
    "notify::digest",
    "notify::fanout",
    "notify::pace",
    "notify::retry",
];
/// Beside the layers; each may use the domain, and `config` the schedule. `failpoints` only names moments: all may tell it.
const ASIDE: [&str; 5] = ["clock", "config", "schedule", "failpoints", "supervisor"];
/// Whoever wires or runs things by the config; all others are handed what they need.
const MAY_USE_CONFIG: [&str; 2] = ["ingest", "command"];

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

/// Whether `importer` may import from `target`.
pub(super) fn may_use(importer: &str, target: &str) -> Result<(), String> {
    if importer == target || is_root(importer) || is_root(target) || !is_placed(target) {
        return Ok(());
    }
    let wires = layer(importer).is_some_and(|layer| layer >= LAYERS.len() - 2);
    let allowed = match target {
        "clock" => !is_pure(importer) && importer != "schedule",
        "failpoints" | "supervisor" => !is_pure(importer),
        "config" => wires || MAY_USE_CONFIG.contains(&importer),
        // A feed knows when it is asked, as it knows where.
        "schedule" => {
            wires || matches!(importer, "config" | "source") || MAY_USE_CONFIG.contains(&importer)
        }
        // Those beside the layers use the domain alone.
        _ => layer(target) < layer(importer).or(Some(1)),
    };
    if allowed {
        Ok(())
    } else {
        Err(format!("{importer} may not use {target}: imports point downwards only"))
    }
}

fn layer(unit: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&unit))
}

fn is_root(unit: &str) -> bool {
    matches!(unit, "" | "main" | "notify")
}
