//! Postroom's pages, the server functions under `/api/…`, and [`backend::Backend`], the port through which both reach
//! the rest of the program. Nothing here knows a database, a mail session or a file.

#![recursion_limit = "512"]
#![expect(unreachable_pub, reason = "the component macro makes `pub` structs of crate-private components' props")]

pub mod api;
#[cfg(feature = "ssr")]
pub mod backend;
#[cfg(feature = "hydrate")]
pub mod browser;
mod components;
#[cfg(feature = "ssr")]
pub mod download;
pub mod pages;
mod shell;

pub use shell::App;
#[cfg(feature = "ssr")]
pub use shell::shell;
