//! Reads batches of observations from a CSV file, and writes them to one.
//!
//! The header is `received_at,observed_at,entity,source,signal,value`. Rows are sorted by
//! `received_at`; rows of the same `received_at` are one batch. Times are Unix seconds. An empty
//! value is an unknown value. An optional column `fact` holds a fact as JSON; all other columns are
//! ignored.

use crate::domain::{Arrival, Batch, Entity, EntityError, Fact, Observation, Series, Timestamp};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;

const COLUMNS: [&str; 6] = ["received_at", "observed_at", "entity", "source", "signal", "value"];
const FACT: &str = "fact";

/// An error in a file of observations, with its place. Every variant except `Io` is bad input: exit
/// code 2.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The first line is not the expected header; holds its first 12 columns.
    #[error(
        "line 1: the header must begin with received_at,observed_at,entity,source,signal,value, not `{0}`"
    )]
    Header(String),
    /// A row ends before the column `value`.
    #[error("line {line}: {fields} fields instead of at least 6")]
    TooFew {
        /// Line of the file, counted from 1.
        line: u64,
        /// Number of fields in the row.
        fields: usize,
    },
    /// A field is not a finite number; a time must be whole seconds.
    #[error("line {line}: `{text}` is no number in column {column}")]
    NoNumber {
        /// Line of the file, counted from 1.
        line: u64,
        /// Name of the column.
        column: &'static str,
        /// The field as it is written in the file.
        text: String,
    },
    /// A row was received before the row above it.
    #[error(
        "line {line}: received_at {received_at} is before {previous} of the line above; sort the file by received_at"
    )]
    OutOfOrder {
        /// Line of the file, counted from 1.
        line: u64,
        /// Time of the row, Unix seconds.
        received_at: i64,
        /// Time of the row above, Unix seconds.
        previous: i64,
    },
    /// The entity is not written in a known form.
    #[error("line {line}: {error}")]
    Entity {
        /// Line of the file, counted from 1.
        line: u64,
        /// The reason.
        error: EntityError,
    },
    /// The source or the signal is missing.
    #[error("line {line}: an empty {column}")]
    Empty {
        /// Line of the file, counted from 1.
        line: u64,
        /// Name of the column.
        column: &'static str,
    },
    /// A field is not UTF-8.
    #[error("line {line}: not UTF-8 text")]
    NotUtf8 {
        /// Line of the file, counted from 1.
        line: u64,
    },
    /// The column `fact` does not hold the JSON of a fact.
    #[error("line {line}: no fact: {error}")]
    NoFact {
        /// Line of the file, counted from 1.
        line: u64,
        /// The error of the JSON parser.
        error: serde_json::Error,
    },
    /// The line breaks the rules of CSV.
    #[error("line {line}: no CSV: {error}")]
    NoCsv {
        /// Line of the file, counted from 1.
        line: u64,
        /// The error of the CSV parser.
        error: csv::Error,
    },
    /// The file could not be read from the disk.
    #[error("cannot read the observations: {0}")]
    Io(std::io::Error),
}

impl RecordedError {
    /// Returns whether the content of the file is at fault, rather than the disk.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Io(_))
    }
}

/// A reader of batches, one by one. It holds one batch and the names of the series, however long
/// the file is.
#[derive(Debug)]
pub struct Reader<R> {
    csv: csv::Reader<R>,
    fact_column: Option<usize>,
    record: csv::ByteRecord,
    /// Whether `record` holds the first row of the next batch.
    is_ahead: bool,
    previous: i64,
    series: HashMap<Vec<u8>, Arc<Series>>,
    key: Vec<u8>,
    failed: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header. Fails if it does not begin with the six expected columns.
    pub fn new(input: R) -> Result<Self, RecordedError> {
        let mut csv = csv::ReaderBuilder::new()
            .has_headers(true)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(input);
        let header = csv.byte_headers().map_err(|error| wrong_csv(error, 1))?;
        let matches = header.len() >= COLUMNS.len()
            && header.iter().zip(COLUMNS).all(|(is, must)| is == must.as_bytes());
        if !matches {
            let found: Vec<_> = header.iter().take(12).map(String::from_utf8_lossy).collect();
            return Err(RecordedError::Header(found.join(",")));
        }
        let fact_column = header.iter().position(|name| name == FACT.as_bytes());
        Ok(Self {
            csv,
            fact_column,
            record: csv::ByteRecord::new(),
            is_ahead: false,
            previous: i64::MIN,
            series: HashMap::new(),
            key: Vec::new(),
            failed: false,
        })
    }

    /// Returns the next batch, or `None` at the end of the file.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, RecordedError> {
        if !self.is_ahead && !self.read_record()? {
            return Ok(None);
        }
        let mut batch = Batch {
            arrival: Arrival::Live,
            ..Batch::live(Timestamp::from_unix(self.received_at()?))
        };
        loop {
            self.add_row(&mut batch)?;
            self.is_ahead = self.read_record()?;
            if !self.is_ahead || self.received_at()? != batch.received_at.unix() {
                return Ok(Some(batch));
            }
        }
    }

    fn read_record(&mut self) -> Result<bool, RecordedError> {
        let next_line = self.csv.position().line();
        if !self
            .csv
            .read_byte_record(&mut self.record)
            .map_err(|error| wrong_csv(error, next_line))?
        {
            return Ok(false);
        }
        let fields = self.record.len();
        if fields < COLUMNS.len() {
            return Err(RecordedError::TooFew { line: self.line(), fields });
        }
        Ok(true)
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    fn received_at(&mut self) -> Result<i64, RecordedError> {
        let received_at = self.seconds(0)?;
        if received_at < self.previous {
            return Err(RecordedError::OutOfOrder {
                line: self.line(),
                received_at,
                previous: self.previous,
            });
        }
        self.previous = received_at;
        Ok(received_at)
    }

    fn seconds(&self, column: usize) -> Result<i64, RecordedError> {
        let text = &self.record[column];
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let all_digits =
            !digits.is_empty() && digits.len() <= 12 && digits.iter().all(u8::is_ascii_digit);
        let value = digits
            .iter()
            .fold(0_i64, |sum, digit| sum.wrapping_mul(10).wrapping_add(i64::from(*digit & 15)));
        if all_digits {
            Ok(if digits.len() < text.len() { -value } else { value })
        } else {
            Err(self.no_number(column))
        }
    }

    fn no_number(&self, column: usize) -> RecordedError {
        match std::str::from_utf8(&self.record[column]) {
            Ok(text) => RecordedError::NoNumber {
                line: self.line(),
                column: COLUMNS[column],
                text: text.to_owned(),
            },
            Err(_) => RecordedError::NotUtf8 { line: self.line() },
        }
    }

    fn text(&self, column: usize) -> Result<&str, RecordedError> {
        std::str::from_utf8(&self.record[column])
            .map_err(|_| RecordedError::NotUtf8 { line: self.line() })
    }

    fn add_row(&mut self, batch: &mut Batch) -> Result<(), RecordedError> {
        let observed_at = Timestamp::from_unix(self.seconds(1)?);
        let line = self.line();
        if let Some(json) = self
            .fact_column
            .and_then(|column| self.record.get(column))
            .filter(|json| !json.is_empty())
        {
            let fact: Fact = match std::str::from_utf8(json) {
                Ok(json) => serde_json::from_str(json)
                    .map_err(|error| RecordedError::NoFact { line, error })?,
                Err(_) => return Err(RecordedError::NotUtf8 { line }),
            };
            batch.facts.push(fact);
            return Ok(());
        }
        let value = match self.record[5].trim_ascii() {
            b"" => None,
            text => {
                let value =
                    std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
                Some(value.filter(|value| value.is_finite()).ok_or_else(|| self.no_number(5))?)
            }
        };
        let series = self.named_series()?;
        batch.observations.push(Observation { series, observed_at, value });
        Ok(())
    }

    fn named_series(&mut self) -> Result<Arc<Series>, RecordedError> {
        self.key.clear();
        for column in 2..5 {
            self.key.extend_from_slice(&self.record[column]);
            self.key.push(0);
        }
        if let Some(series) = self.series.get(&self.key) {
            return Ok(Arc::clone(series));
        }
        let line = self.line();
        let entity: Entity =
            self.text(2)?.parse().map_err(|error| RecordedError::Entity { line, error })?;
        let name = |column: usize| match self.text(column)?.trim() {
            "" => Err(RecordedError::Empty { line, column: COLUMNS[column] }),
            text => Ok(text.to_owned()),
        };
        let series = Arc::new(Series { entity, source: name(3)?, signal: name(4)? });
        self.series.insert(self.key.clone(), Arc::clone(&series));
        Ok(series)
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Batch, RecordedError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_batch().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

fn wrong_csv(error: csv::Error, line: u64) -> RecordedError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => RecordedError::Io(error),
        csv::ErrorKind::Utf8 { .. } => RecordedError::NotUtf8 { line },
        kind => RecordedError::NoCsv {
            line,
            error: csv::Error::from(std::io::Error::other(format!("{kind:?}"))),
        },
    }
}

/// A writer of batches in the same format, with the column `fact`.
#[derive(Debug)]
pub struct Writer<W: Write> {
    csv: csv::Writer<W>,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(output: W) -> Result<Self, csv::Error> {
        let mut csv = csv::Writer::from_writer(output);
        csv.write_record(COLUMNS.iter().chain(&[FACT]))?;
        Ok(Self { csv })
    }

    /// Writes one row for each observation and each fact. The caller passes batches in the order of
    /// their `received_at`.
    pub fn write(&mut self, batch: &Batch) -> Result<(), csv::Error> {
        let received_at = batch.received_at.unix().to_string();
        for Observation { series, observed_at, value } in &batch.observations {
            self.csv.write_record([
                received_at.as_str(),
                &observed_at.unix().to_string(),
                &series.entity.to_string(),
                &series.source,
                &series.signal,
                &value.map(|value| value.to_string()).unwrap_or_default(),
                "",
            ])?;
        }
        for fact in &batch.facts {
            let json = serde_json::to_string(fact).map_err(std::io::Error::from)?;
            self.csv.write_record([
                received_at.as_str(),
                &fact.observed_at.unix().to_string(),
                &fact.entity.to_string(),
                &fact.source,
                fact.kind.word(),
                "",
                &json,
            ])?;
        }
        Ok(())
    }

    /// Flushes the output. Without this call the last rows may be lost without an error.
    pub fn finish(mut self) -> Result<(), csv::Error> {
        self.csv.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::FactKind;

    const HEADER: &str = "received_at,observed_at,entity,source,signal,value";

    fn read(rows: &str) -> Result<Vec<Batch>, RecordedError> {
        Reader::new(format!("{HEADER}\n{rows}").as_bytes())?.collect()
    }

    fn error(rows: &str) -> String {
        read(rows).unwrap_err().to_string()
    }

    #[test]
    fn what_was_received_in_one_instant_is_one_batch() {
        let batches =
            read("60,0,XA,ioda,bgp,4\n60,0,country/KP,ioda,bgp,\n61,0,XA,ioda,bgp,3.5\n").unwrap();
        assert_eq!(
            batches.iter().map(|batch| batch.observations.len()).collect::<Vec<_>>(),
            [2, 1]
        );
        assert_eq!(batches[0].observations[1].value, None);
        assert_eq!(batches[0].observations[1].series.entity.to_string(), "country/KP");
        assert!(Arc::ptr_eq(
            &batches[0].observations[0].series,
            &batches[1].observations[0].series
        ));
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn bad_input_is_refused_with_its_line() {
        let good = "60,0,XA,ioda,bgp,4\n";
        let after = |row: &str| error(&format!("{good}{row}"));
        assert_eq!(after("60,0,XA,ioda,bgp"), "line 3: 5 fields instead of at least 6");
        assert_eq!(after("60,0,XA,ioda,bgp,four"), "line 3: `four` is no number in column value");
        assert_eq!(after("60,0,XA,ioda,bgp,NaN"), "line 3: `NaN` is no number in column value");
        assert_eq!(after("60,0,XA,ioda,bgp,inf"), "line 3: `inf` is no number in column value");
        assert_eq!(
            after("noon,0,XA,ioda,bgp,4"),
            "line 3: `noon` is no number in column received_at"
        );
        assert_eq!(
            after("60,0.5,XA,ioda,bgp,4"),
            "line 3: `0.5` is no number in column observed_at"
        );
        assert_eq!(after("60,0,,ioda,bgp,4"), "line 3: an empty entity");
        assert!(
            after("60,0,planet/KP,ioda,bgp,4")
                .starts_with("line 3: unknown kind of entity `planet`")
        );
        assert_eq!(after("60,0,XA,,bgp,4"), "line 3: an empty source");
        assert!(after("59,0,XA,ioda,bgp,4").starts_with("line 3: received_at 59 is before 60"));
        assert!(
            Reader::new("at,entity\n".as_bytes())
                .unwrap_err()
                .to_string()
                .ends_with("not `at,entity`")
        );
        assert!(Reader::new("".as_bytes()).is_err());
        let not_utf8 = [HEADER.as_bytes(), b"\n60,0,X\xff,ioda,bgp,4\n"].concat();
        let error = Reader::new(&not_utf8[..]).unwrap().next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "line 2: not UTF-8 text");
        assert!(error.is_bad_input());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut batches = read("60,0,XA,ioda,bgp,4\n61,0,XA,ioda,bgp,\n").unwrap();
        batches[1].facts.push(Fact {
            entity: Entity::Name("XA".into()),
            source: "ripestat".into(),
            observed_at: Timestamp::from_unix(5),
            kind: FactKind::Peers { total: 352 },
        });
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file).unwrap();
        for batch in &batches {
            writer.write(batch).unwrap();
        }
        writer.finish().unwrap();
        let again: Vec<Batch> = Reader::new(&file[..]).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(again, batches);
    }

    #[test]
    fn further_columns_are_passed_over() {
        let file = format!("{HEADER},note,fact\n60,0,XA,ioda,bgp,4,seen,\n");
        assert_eq!(Reader::new(file.as_bytes()).unwrap().count(), 1);
    }
}
