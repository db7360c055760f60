//! The plans of the queries that run at every tick: none scans a table that grows.

use crate::store::{delivery, incident, observation, open, overview, retention, subscription};
use rusqlite::Connection;

fn plan(connection: &Connection, sql: &str) -> String {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines = explain
        .raw_query()
        .mapped(|row| row.get::<_, String>(3))
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    lines.join("\n")
}

#[test]
fn hot_queries_walk_no_table_that_grows() {
    let connection = open::in_memory().unwrap();
    let queries = [
        observation::OF_BATCHES.to_owned(),
        observation::NEWEST_REVISION.to_owned(),
        observation::NEWEST_FACT.to_owned(),
        observation::NEWEST_BINS.to_owned(),
        observation::VALUES.to_owned(),
        observation::SERIES_ID.to_owned(),
        retention::OLDEST.to_owned(),
        retention::DELETE_BATCHES.to_owned(),
        incident::selected(incident::OPEN),
        incident::selected(incident::UNTOLD),
        incident::selected(incident::OF_ENTITY),
        delivery::fresh_sql(),
        delivery::rest_sql(),
        delivery::due_of_sql(),
        delivery::in_doubt_sql(),
        delivery::next_due_sql(),
        delivery::RELEASED.to_owned(),
        delivery::HEARD.to_owned(),
        overview::WAITING.to_owned(),
        subscription::OF_HOME.to_owned(),
        subscription::COUNT_OF_HOME.to_owned(),
        subscription::OF_PERSON.to_owned(),
    ];
    for sql in queries {
        let plan = plan(&connection, &sql);
        for step in plan.lines().filter(|step| step.starts_with("SCAN")) {
            // There are some hundreds of series; a partial index holds only open incidents,
            // held-back starts or pending deliveries.
            let small = [
                "SCAN series",
                "SCAN (subquery",
                "incident_open",
                "incident_untold",
                "delivery_pending",
                "SCAN CONSTANT ROW",
                "SCAN (subquery",
            ];
            assert!(small.iter().any(|word| step.contains(word)), "{step}\nin\n{plan}\nof{sql}");
        }
        assert!(
            !sql.contains("ORDER BY batch_id") || !plan.contains("TEMP B-TREE"),
            "sorted anew: {plan}"
        );
    }
    for sql in [delivery::fresh_sql(), delivery::rest_sql()] {
        let plan = plan(&connection, &sql);
        let is_in_order =
            plan.contains("INDEX delivery_owed") && !plan.contains("USE TEMP B-TREE FOR ORDER BY");
        assert!(is_in_order, "what is owed is sorted anew: {plan}");
    }
    for sql in [retention::DELETE_DELIVERIES, retention::DELETE_CARDS] {
        let plan = plan(&connection, sql);
        assert!(
            !plan.contains("SCAN d") && !plan.contains("SCAN c"),
            "each night all that was ever told: {plan}"
        );
    }
    let recent = plan(&connection, &incident::selected(incident::RECENT));
    assert!(
        recent.contains("USING INDEX incident_by_start")
            && !recent.contains("USE TEMP B-TREE FOR ORDER BY"),
        "{recent}"
    );
}
