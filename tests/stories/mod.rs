//! What a person did and saw.

mod killed;
mod outage;
mod restarts;
