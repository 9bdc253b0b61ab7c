//! Looking at a server's certificate and trusting it: what the page, the browser and the server agree on. The server makes the
//! panel; where the program runs, it is taken from the page that answers the form and put into its place ([`PLACE`]), so
//! that the browser needs no code for it.

/// The element id of the panel's place, and of what is to be read first in it, for the focus.
pub(super) const PLACE: &str = "look";
pub(super) const VERDICT: &str = "verdict";

/// What a button of the panel trusts. Its value is the button's, and what a form posts as `action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusting {
    /// The server's certificate.
    This,
    /// The server's certificate in the place of those that are pinned.
    Instead,
    /// The server's certificate beside those that are pinned.
    Both,
    /// The authority that issued it.
    Issuer,
}

impl Trusting {
    const ALL: [(Self, &'static str); 4] =
        [(Self::This, "trust"), (Self::Instead, "trust-instead"), (Self::Both, "trust-both"), (Self::Issuer, "trust-issuer")];

    /// The one with this value.
    pub fn parse(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(trusting, known)| (known == value).then_some(trusting))
    }

    #[cfg(feature = "ssr")]
    pub(super) fn value(self) -> &'static str {
        Self::ALL.into_iter().find_map(|(known, value)| (known == self).then_some(value)).unwrap_or_default()
    }
}

/// The panel's hidden fields: what was inspected, so that exactly this is trusted and not what the server presents by then.
pub const INSPECTED: [&str; 5] =
    ["inspected_host", "inspected_port", "inspected_pem", "inspected_issuer_pem", "inspected_outlives"];
