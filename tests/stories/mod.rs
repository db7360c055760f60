//! What a person did and saw.

mod outage;
