//! Reusable pieces of pages; none of them knows what an entry is for.

mod address;
mod fields;
mod notice;
mod standing;
mod tools;

pub(crate) use fields::{CheckField, ChoiceField, FormState, Help, PasswordFields, SelectField, TextField, field_id};
pub(crate) use notice::{ErrorNotice, NOTICE};
pub(crate) use standing::StandingView;
pub(crate) use tools::SiteTools;
