//! Whatever a file of observations holds: batches in order of their arrival, or an error; and what was read can be written and
//! read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkdown::detect::State;
use linkdown::source::recorded::{Reader, Writer};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::new(bytes) else { return };
    let mut batches = Vec::new();
    while let Ok(Some(batch)) = reader.next_batch() {
        batches.push(batch);
        if batches.len() > 200 {
            break;
        }
    }
    let mut state = State::default();
    for batch in &batches {
        let _ = state.take(batch);
    }
    let mut again = Vec::new();
    let mut writer = Writer::new(&mut again).unwrap();
    for batch in &batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    let mut reader = Reader::new(&*again).unwrap();
    while let Ok(Some(_)) = reader.next_batch() {}
});
