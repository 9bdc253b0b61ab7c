//! One-click fixes.

use super::Strictness;

/// A better text.
pub struct Fix {}
/// What it changes.
pub enum FixKind {}
/// TODO
pub fn suggest(_input: &str, _strictness: Strictness) -> Option<Fix> {
    None
}
