//! Postroom's types and rules: pure, and the same code in the browser and on the server. Nothing here does I/O, waits,
//! asks a clock or draws a random number.

pub mod access;
pub mod activity;
pub mod address;
pub mod certificate;
pub mod diagnosis;
pub mod entry;
pub mod error;
pub mod exchange;
pub mod fax;
pub mod field;
pub mod file_name;
pub mod host;
pub mod idn;
pub mod link;
pub mod name;
pub mod ndjson;
pub mod oauth;
pub mod run;
pub mod secret;
pub mod size;
pub mod smtp_server;
pub mod stages;
pub mod submission;
pub mod transcript;
pub mod trust;
pub mod words;
