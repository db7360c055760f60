//! Migrations, and every line of SQL there is.
