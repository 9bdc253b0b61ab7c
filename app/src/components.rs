//! Reusable pieces of pages; none of them knows what an entry is for.

mod address;
mod certificate;
#[cfg(feature = "ssr")]
mod facts;
mod fields;
mod notice;
#[cfg(feature = "ssr")]
mod paging;
mod standing;
mod tools;
mod transcript;

pub(crate) use certificate::{ends, short_name};
#[cfg(feature = "ssr")]
pub(crate) use facts::{fact, facts, target};
pub(crate) use fields::{
    CheckField, ChoiceField, FormState, Help, LinkField, MoreAbout, PasswordFields, SelectField, TextField, field_id,
};
#[cfg(feature = "ssr")]
pub(crate) use notice::names;
pub(crate) use notice::{ErrorNotice, NOTICE, Undo};
#[cfg(feature = "ssr")]
pub(crate) use paging::{day, filter_address, older_and_newest};
pub(crate) use standing::{ExpiringMarks, SignInMark, StandingView};
pub(crate) use tools::SiteTools;
pub(crate) use transcript::{recipients, stages};
