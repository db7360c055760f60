//! Whatever a source answers to any question that is asked of it: readings whose values are numbers, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkdown::domain::{Entity, Timestamp};
use linkdown::source::{Polled, Purpose, Request, Settings, Query, all};
use std::sync::{Arc, LazyLock};

const NOW: Timestamp = Timestamp::from_unix(1_749_231_240);

/// Every kind of question, each with the source that is asked.
static QUESTIONS: LazyLock<Vec<(Arc<dyn Polled>, Request)>> = LazyLock::new(|| {
    let names = ["country/KP", "country/US", "asn/131279", "prefix/175.45.176.0/22", "region/4416"];
    let entities: Vec<Entity> = names.iter().map(|name| name.parse().unwrap()).collect();
    let mut questions = Vec::new();
    for source in all(&Settings { operator: "fuzz".to_owned() }) {
        for (purpose, hours) in [(Purpose::Live, 2), (Purpose::Backfill, 48), (Purpose::Question, 24)] {
            let entities = entities.iter().filter(|entity| source.covers(entity)).cloned().collect();
            let wanted = Query { entities, from: Timestamp::from_unix(NOW.unix() - hours * 3600), until: NOW, purpose };
            questions.extend(source.plan(&wanted, NOW, 100).into_iter().map(|request| (Arc::clone(&source), request)));
        }
    }
    questions
});

fuzz_target!(|input: (u8, &[u8])| {
    let (which, body) = input;
    let (source, request) = &QUESTIONS[usize::from(which) % QUESTIONS.len()];
    if let Ok(readings) = source.read(request, body, NOW) {
        for observation in readings.observations {
            assert!(observation.value.is_none_or(f64::is_finite), "{observation:?}");
        }
    }
    let _ = (source.about().refusal)(400, body);
});
