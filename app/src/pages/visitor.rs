//! Who looks at a page, and what he may do there.

#[cfg(feature = "ssr")]
use domain::access::Act;
#[cfg(feature = "ssr")]
use domain::access::Permit;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

#[cfg(feature = "ssr")]
use crate::backend::Caller;

/// Who looks at a page. The header tells it; only the server makes that.
#[cfg(feature = "ssr")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The name.
    pub name: String,
    /// What he may do.
    pub permit: Permit,
    /// When the session ends unless it is used: milliseconds from now.
    pub idle_left_ms: Option<u64>,
}

#[cfg(feature = "ssr")]
impl Visitor {
    /// The one who asks; none where nobody is signed in, or only half.
    pub fn of(caller: &Caller) -> Option<Self> {
        let half = caller.session.is_some_and(|session| session.awaits_code);
        (caller.permit.role.is_some() && !half).then(|| Self {
            name: caller.who.name().into(),
            permit: caller.permit.clone(),
            idle_left_ms: caller.session.map(|session| session.idle_left_ms),
        })
    }

    pub(crate) fn rights(&self) -> Rights {
        Rights { test: self.permit.allows(Act::Test), change: self.permit.allows(Act::Change) }
    }
}

/// What whoever looks at a page may do there. It only decides what is shown: the server refuses by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rights {
    pub(crate) test: bool,
    pub(crate) change: bool,
}

impl Rights {
    /// What is missing, in a sentence.
    pub(crate) const fn limits(self) -> &'static str {
        if self.test {
            "You can test servers. Changing them takes an administrator."
        } else {
            "You can look at everything here. Testing takes an operator, changing an administrator."
        }
    }

    /// Those of this page.
    pub(crate) fn here() -> Self {
        use_context().unwrap_or_default()
    }
}
