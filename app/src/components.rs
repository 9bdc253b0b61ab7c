//! Reusable pieces of pages; none of them knows what an entry is for.

mod address;
mod certificate;
mod fields;
mod notice;
mod standing;
mod tools;

pub(crate) use certificate::{ends, fact, facts, short_name};
pub(crate) use fields::{CheckField, ChoiceField, FormState, Help, LinkField, PasswordFields, SelectField, TextField, field_id};
pub(crate) use notice::{ErrorNotice, NOTICE, Undo, names};
pub(crate) use standing::{ExpiringMarks, StandingView};
pub(crate) use tools::SiteTools;
