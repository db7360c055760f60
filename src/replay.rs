//! Runs observations from a file through the detector, in memory, and writes one JSON line for
//! every transition.

use crate::detect::State;
use crate::domain::{
    Batch, Confidence, Entity, IncidentKey, Phase, Sensitivity, Timestamp, Transition,
    TransitionKind,
};
use crate::source::recorded::{Reader, RecordedError};
use crate::store::create_private;
use serde::Serialize;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The reason why a file was not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The observations cannot be read to their end.
    #[error("{}: {error}", path.display())]
    Observations {
        /// The file with the observations.
        path: PathBuf,
        /// The error, with its line if there is one.
        error: RecordedError,
    },
    /// The observations cannot be opened.
    #[error("cannot open the observations {}: {error}", path.display())]
    Open {
        /// The file with the observations.
        path: PathBuf,
        /// The error of the system.
        error: std::io::Error,
    },
    /// The events cannot be written.
    #[error("cannot write the events to {}: {error}; nothing was written", path.display())]
    Events {
        /// The file for the events.
        path: PathBuf,
        /// The error of the system.
        error: std::io::Error,
    },
}

impl ReplayError {
    /// Returns whether the input is at fault (exit code 2), rather than the work (exit code 1).
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Observations { error, .. } => error.is_bad_input(),
            Self::Open { .. } => true,
            Self::Events { .. } => false,
        }
    }
}

/// The counts of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Observations and facts.
    pub rows: u64,
    /// Batches: groups of rows that were received in one instant.
    pub batches: u64,
    /// Transitions that the detector made; not all of them are written.
    pub transitions: u64,
}

/// The reason why a stream was not replayed to its end.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The observations cannot be read.
    #[error(transparent)]
    Input(#[from] RecordedError),
    /// The events cannot be written.
    #[error("cannot write the events: {0}")]
    Output(#[from] std::io::Error),
}

/// One line of the events. Times are in Unix seconds.
#[derive(Serialize)]
struct EventLine<'a> {
    entity: &'a str,
    kind: &'static str,
    at: i64,
    started_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retracted: bool,
    incident: u32,
    number: u32,
    sure: Confidence,
}

/// Replays the file at `observations` into the file at `events`. The latter is written completely
/// or not at all, with mode 0600. `started` is written when a chat of that sensitivity would get
/// the alert.
pub fn run(
    observations: &Path,
    events: &Path,
    sensitivity: Sensitivity,
) -> Result<Replayed, ReplayError> {
    let opened = |error| ReplayError::Open { path: observations.to_owned(), error };
    if observations.is_dir() {
        return Err(opened(std::io::Error::other("it is a folder")));
    }
    let input = File::open(observations).map_err(opened)?;
    let unwritten = |error| ReplayError::Events { path: events.to_owned(), error };
    let mut unfinished = events.as_os_str().to_owned();
    unfinished.push(format!(".{}.unfinished", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let output = create_private(&unfinished).map_err(unwritten)?;
    let done = stream(BufReader::new(input), BufWriter::new(output), sensitivity, |_| {});
    let done = match done {
        Ok(done) => std::fs::rename(&unfinished, events).map(|()| done).map_err(unwritten),
        Err(StreamError::Input(error)) => {
            Err(ReplayError::Observations { path: observations.to_owned(), error })
        }
        Err(StreamError::Output(error)) => Err(unwritten(error)),
    };
    if done.is_err() {
        // The unfinished file is this process's own and useless. If removing it fails too, the
        // first error says more.
        let _ = std::fs::remove_file(&unfinished);
    }
    done
}

/// Replays `observations` as a stream, in constant memory. `each` is called with every transition
/// as well.
pub fn stream(
    observations: impl Read,
    mut events: impl Write,
    sensitivity: Sensitivity,
    mut each: impl FnMut(&Transition),
) -> Result<Replayed, StreamError> {
    let mut reader = Reader::new(observations)?;
    let mut state = State::default();
    let mut told = ReplayFilter { sensitivity, ..ReplayFilter::default() };
    let mut done = Replayed::default();
    while let Some(batch) = reader.next_batch()? {
        let transitions = state.take(&batch);
        done.rows += (batch.observations.len() + batch.facts.len()) as u64;
        done.batches += 1;
        for transition in &transitions {
            told.write(transition, &mut events)?;
            each(transition);
            done.transitions += 1;
        }
        told.look_again(&state, &batch, &mut events)?;
    }
    events.flush()?;
    Ok(done)
}

/// Decides which lines are written. Only an incident whose start was written is retracted as
/// `recovered`.
#[derive(Debug, Default)]
struct ReplayFilter {
    sensitivity: Sensitivity,
    started: HashSet<IncidentKey>,
    /// The newest change of each incident whose confidence is too low so far.
    waiting: Vec<Transition>,
}

impl ReplayFilter {
    fn write(&mut self, transition: &Transition, events: &mut impl Write) -> std::io::Result<()> {
        let (key, phase) = (&transition.incident, transition.kind.leads_to());
        self.waiting.retain(|waiting| waiting.incident != *key);
        let is_told = self.started.contains(key);
        if phase.is_over() {
            let was_told = self.started.remove(key);
            // Without a start there is no end either, except in the balanced output, which also
            // serves to examine the detector.
            if !was_told && self.sensitivity != Sensitivity::Balanced {
                return Ok(());
            }
            let taken_back = transition.kind == TransitionKind::Retracted && was_told;
            let kind = if taken_back {
                TransitionKind::Recovered.as_str()
            } else {
                transition.kind.as_str()
            };
            return Self::line(transition, kind, taken_back, events);
        }
        if !is_told && self.sensitivity.hears_of(phase, transition.evidence.sureness) {
            self.started.insert(key.clone());
            return Self::line(transition, TransitionKind::Started.as_str(), false, events);
        }
        if !is_told && phase != Phase::Suspected {
            self.waiting.push(transition.clone());
        }
        // An incident that was written at its first suspicion is not started twice.
        let is_again = is_told && transition.kind == TransitionKind::Started;
        let kind = if is_again || !is_told && phase != Phase::Suspected {
            "sure"
        } else {
            transition.kind.as_str()
        };
        Self::line(transition, kind, false, events)
    }

    /// Writes the start of each waiting incident whose confidence is high enough by now.
    fn look_again(
        &mut self,
        state: &State,
        batch: &Batch,
        events: &mut impl Write,
    ) -> std::io::Result<()> {
        let heard =
            |entity: &Entity| batch.observations.iter().any(|row| row.series.entity == *entity);
        let mut sure = Vec::new();
        for waiting in self.waiting.iter().filter(|waiting| heard(&waiting.incident.entity)) {
            let Some(evidence) = state.evidence(&waiting.incident.entity, batch.received_at) else {
                continue;
            };
            if self.sensitivity.hears_of(waiting.kind.leads_to(), evidence.sureness) {
                sure.push(Transition { at: batch.received_at, evidence, ..waiting.clone() });
            }
        }
        for transition in sure {
            self.waiting.retain(|waiting| waiting.incident != transition.incident);
            self.started.insert(transition.incident.clone());
            Self::line(&transition, TransitionKind::Started.as_str(), false, events)?;
        }
        Ok(())
    }

    fn line(
        transition: &Transition,
        kind: &'static str,
        taken_back: bool,
        events: &mut impl Write,
    ) -> std::io::Result<()> {
        let entity = transition.incident.entity.to_string();
        let line = EventLine {
            entity: &entity,
            kind,
            at: transition.at.unix(),
            started_at: transition.started_at.unix(),
            ended_at: transition
                .ended_at
                .map(Timestamp::unix)
                .or(taken_back.then_some(transition.at.unix())),
            retracted: transition.kind == TransitionKind::Retracted,
            incident: transition.incident.ordinal,
            number: transition.number,
            sure: transition.evidence.sureness,
        };
        serde_json::to_writer(&mut *events, &line)?;
        events.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    const HEADER: &str = "received_at,observed_at,entity,source,signal,value\n";

    /// Returns three days of two hourly signals of four entities. XA is down for six hours from the
    /// sixtieth hour on.
    fn three_days() -> String {
        let mut file = HEADER.to_owned();
        for hour in 0..72 {
            for entity in ["XA", "XB", "XC", "XD"] {
                let value =
                    if entity == "XA" && (60..66).contains(&hour) { 0 } else { 50 + hour % 3 };
                for source in ["ioda", "ripestat"] {
                    let start = hour * 3600;
                    writeln!(file, "{},{start},{entity},{source},bgp,{value}", start + 4200)
                        .unwrap();
                }
            }
        }
        file
    }

    #[test]
    fn an_outage_becomes_lines_of_events() {
        let mut events = Vec::new();
        stream(three_days().as_bytes(), &mut events, Sensitivity::Balanced, |_| {}).unwrap();
        let lines: Vec<serde_json::Value> = std::str::from_utf8(&events)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let (first, last) = (&lines[0], lines.last().unwrap());
        assert_eq!((&first["entity"], &first["kind"]), (&"XA".into(), &"started".into()));
        assert!(first.get("ended_at").is_none());
        assert_eq!(last["kind"], "recovered");
        assert_eq!(last["ended_at"], 66 * 3600);
        assert!(last.get("retracted").is_none());
    }

    #[test]
    fn bad_input_leaves_nothing_half_written() {
        let folder = tempfile::tempdir().unwrap();
        let (observations, events) =
            (folder.path().join("in.csv"), folder.path().join("out.jsonl"));
        std::fs::write(&observations, three_days() + "broken\n").unwrap();
        let error = run(&observations, &events, Sensitivity::Balanced).unwrap_err();
        assert!(error.is_bad_input());
        assert!(error.to_string().contains("line 578: 1 fields"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(&observations, three_days()).unwrap();
        assert_eq!(run(&observations, &events, Sensitivity::Balanced).unwrap().rows, 576);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
