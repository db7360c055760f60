//! The layers: which module may import which.

/// The layers from the bottom up. A unit may use the units below its own layer, and none in it.
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
/// Units beside the layers. Each may use the domain, and `config` may use the schedule.
/// `failpoints` only names moments, so all but the pure units may call it.
const ASIDE: [&str; 5] = ["clock", "config", "schedule", "failpoints", "supervisor"];
/// Units below the top layers that may read the configuration; all others get the values that they
/// need.
const MAY_USE_CONFIG: [&str; 2] = ["ingest", "command"];

/// Returns the unit of a module: its first name, or its first two below `notify`. The roots of the
/// library and the binary, and `notify` itself, only connect units.
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

/// Checks whether `importer` may import from `target`; an error says why not.
pub(super) fn may_use(importer: &str, target: &str) -> Result<(), String> {
    if importer == target || is_root(importer) || is_root(target) || !is_placed(target) {
        return Ok(());
    }
    let wires = layer(importer).is_some_and(|layer| layer >= LAYERS.len() - 2);
    let allowed = match target {
        "clock" => !is_pure(importer) && importer != "schedule",
        "failpoints" | "supervisor" => !is_pure(importer),
        "config" => wires || MAY_USE_CONFIG.contains(&importer),
        // A feed holds its schedule as it holds its address.
        "schedule" => {
            wires || matches!(importer, "config" | "source") || MAY_USE_CONFIG.contains(&importer)
        }
        // Units beside the layers may use only the domain.
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
