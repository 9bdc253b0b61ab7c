//! Stand-in until the address work lands; only the shape counts.
#![allow(missing_docs)]
use serde::{Deserialize, Serialize};
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    Strict,
    Lenient,
}
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddrSpec {
    local: String,
    domain: Option<String>,
}
impl AddrSpec {
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }
    /// `local@domain` for MAIL and RCPT
    pub fn to_wire(&self) -> String {
        format!("{}@{}", self.local, self.domain.as_deref().unwrap_or(""))
    }
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }
}
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    name: Option<String>,
    addr: AddrSpec,
}
impl Mailbox {
    pub fn parse(text: &str, _s: Strictness) -> Result<Self, AddressError> {
        let (l, d) = text.trim().rsplit_once('@').ok_or(AddressError)?;
        Ok(Self { name: None, addr: AddrSpec { local: l.into(), domain: Some(d.into()) } })
    }
    pub fn addr(&self) -> &AddrSpec {
        &self.addr
    }
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
    /// for From: and To: headers
    pub fn to_header(&self) -> String {
        self.addr.to_wire()
    }
}
impl std::fmt::Display for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.addr.to_wire())
    }
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError;
impl AddressError {
    pub fn sentence(&self) -> String {
        "not an address".into()
    }
}

pub struct AddressList(Vec<Mailbox>);
impl AddressList {
    pub fn parse(text: &str, s: Strictness) -> Result<Self, AddressError> {
        text.split(',').map(|t| Mailbox::parse(t, s)).collect::<Result<_, _>>().map(Self)
    }
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.0.iter()
    }
}
