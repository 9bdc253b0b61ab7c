//! What a failed transcript means, and what to do.

use serde::{Deserialize, Serialize};

/// The explanation of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// A stable name, for programs.
    pub kind: String,
    /// What it means, in one sentence.
    pub title: String,
    /// What to do, in order.
    pub steps: Vec<String>,
}
