//! The grammar: one function a production, in the RFCs' order, with the RFCs' names.
//!
//! Both strictnesses share the productions. Nothing here allocates (but for U-labels, in IDNA), nothing recurses, and
//! every octet is looked at a fixed number of times: once to see what kind of item begins (`@`, `<` or `:` first?), at
//! most once more for a comma within a display name, and once to read it. What was read goes to a [`Sink`].

use core::ops::Range;

use super::error::{AddressErrorKind as Kind, Fault, Place};
use super::unicode::{self, Class};
use super::{MAX_ADDRESS, MAX_DOMAIN, MAX_INPUT, MAX_LABEL, MAX_LOCAL_PART, Strictness};
use crate::idn;

type Result<T> = core::result::Result<T, Fault>;

/// Takes what the grammar reads, in order, as slices of the input that are known to be well-formed.
pub(super) trait Sink {
    /// A mailbox begins a new entry, or belongs to the open group.
    fn mailbox(&mut self, mailbox: RawMailbox<'_>);
    /// A group begins; its display name is a phrase.
    fn group(&mut self, name: &str);
    /// The group ends.
    fn end_group(&mut self);
}

/// Validation only.
impl Sink for () {
    fn mailbox(&mut self, _: RawMailbox<'_>) {}
    fn group(&mut self, _: &str) {}
    fn end_group(&mut self) {}
}

/// A mailbox as it stands in the input.
pub(super) struct RawMailbox<'a> {
    pub name: RawName<'a>,
    pub addr: RawAddr<'a>,
}

/// Where a mailbox has its name from.
pub(super) enum RawName<'a> {
    None,
    /// A display name, a phrase.
    Phrase(&'a str),
    /// The first comment, as senders wrote it before RFC 822; read leniently only.
    Comment(&'a str),
}

/// An addr-spec as it stands in the input, comments and white space within included.
#[derive(Clone, Copy)]
pub(super) struct RawAddr<'a> {
    pub local: &'a str,
    /// None for a bare local name.
    pub domain: Option<RawDomain<'a>>,
    /// Both and the `@` between them, where they stand as they mean it: nothing quoted, no comments, no white space.
    pub plain: Option<&'a str>,
}

#[derive(Clone, Copy)]
pub(super) struct RawDomain<'a> {
    pub text: &'a str,
    /// Where it stands in the input.
    pub start: usize,
    pub has_u_labels: bool,
}

/// address-list, and nothing after it.
pub(super) fn address_list(input: &str, strictness: Strictness, sink: &mut dyn Sink) -> Result<()> {
    let mut parser = Parser::new(input, strictness)?;
    match parser.list(None, sink)? {
        0 => parser.fault(Kind::Empty),
        _ => Ok(()),
    }
}

/// mailbox, and nothing after it.
pub(super) fn mailbox(input: &str, strictness: Strictness, sink: &mut dyn Sink) -> Result<()> {
    let mut parser = Parser::new(input, strictness)?;
    parser.only_mailbox(sink)
}

/// addr-spec, and nothing after it.
pub(super) fn addr_spec(input: &str, strictness: Strictness) -> Result<RawAddr<'_>> {
    let mut parser = Parser::new(input, strictness)?;
    parser.cfws()?;
    if parser.peek().is_none() {
        return parser.fault(Kind::Empty);
    }
    parser.addr_spec()?;
    if parser.addr.domain.is_none() {
        return fault_at(parser.at, Kind::MissingAt);
    }
    match parser.peek() {
        None => Ok(parser.addr),
        Some(_) => parser.unexpected(Place::AfterAddress),
    }
}

/// What an ASCII octet may be part of, as bits.
const ATEXT: u8 = 1;
const QTEXT: u8 = 2;
const CTEXT: u8 = 4;
const DTEXT: u8 = 8;
const LET_DIG: u8 = 16;
/// What [`Parser::scan`] stops at.
const DECIDER: u8 = 32;

/// RFC 5322 sections 3.2.2 to 3.2.4 and 3.4.1, RFC 5321 section 4.1.2.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut octet = b'!';
    while octet <= b'~' {
        let mut class = QTEXT | CTEXT | DTEXT;
        if matches!(octet, b'"' | b'\\') {
            class &= !QTEXT;
        }
        if matches!(octet, b'(' | b')' | b'\\') {
            class &= !CTEXT;
        }
        if matches!(octet, b'[' | b']' | b'\\') {
            class &= !DTEXT;
        }
        if octet.is_ascii_alphanumeric() {
            class |= ATEXT | LET_DIG;
        }
        if matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'_'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        ) {
            class |= ATEXT;
        }
        if matches!(octet, b'"' | b'(' | b')' | b'@' | b'<' | b':' | b';' | b',') {
            class |= DECIDER;
        }
        classes[octet as usize] = class;
        octet += 1;
    }
    classes
};

pub(super) fn is_atext(octet: u8) -> bool {
    is(ATEXT, octet)
}

fn is(class: u8, octet: u8) -> bool {
    CLASSES[usize::from(octet)] & class != 0
}

/// What kind of item begins here: the first of `@`, `<`, `:`, `;`, `,` outside quotes and comments, or the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decider {
    At,
    Angle,
    Colon,
    Comma,
    Other,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own; none excludes another")]
struct Parser<'a> {
    input: &'a str,
    bytes: &'a [u8],
    pos: usize,
    strict: bool,
    /// Exactly one mailbox is wanted.
    single: bool,
    /// The text of the first comment since it was last cleared.
    comment: Option<Range<usize>>,
    /// Whether the last element ended with `>` or `;`, so that it is no name of what follows.
    angle: bool,
    /// The `<` that the grammar is after.
    open: Option<usize>,
    /// Octets of line breaks that folds had so far: they are not sent.
    folded: usize,
    /// The last addr-spec; here instead of in results, which would have to be moved about.
    addr: RawAddr<'a>,
    /// Where the last addr-spec has its `@`.
    at: usize,
    /// Whether it has neither quotes nor comments nor white space so far.
    plain: bool,
    /// The first decider beyond commas and its place, valid until `pos` passes it.
    beyond_commas: (Decider, usize),
}

impl<'a> Parser<'a> {
    fn new(input: &'a str, strictness: Strictness) -> Result<Self> {
        if input.len() > MAX_INPUT {
            return Err(Fault { kind: Kind::InputTooLong { length: octets(input.len()) }, offset: MAX_INPUT });
        }
        let strict = strictness == Strictness::Strict;
        Ok(Self {
            input,
            bytes: input.as_bytes(),
            pos: 0,
            strict,
            single: false,
            comment: None,
            angle: false,
            open: None,
            folded: 0,
            addr: RawAddr { local: "", domain: None, plain: None },
            at: 0,
            plain: true,
            beyond_commas: (Decider::Other, 0),
        })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    /// Consumes `octet` if it is next.
    fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.pos += usize::from(found);
        found
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.pos..).unwrap_or_default()
    }

    fn next_char(&self) -> Option<char> {
        self.input.get(self.pos..)?.chars().next()
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.input.get(start..end).unwrap_or_default()
    }

    /// Consumes all octets of a class.
    #[inline]
    fn run(&mut self, class: u8) {
        let rest = self.rest();
        self.pos += rest.iter().position(|octet| !is(class, *octet)).unwrap_or(rest.len());
    }

    fn fault<T>(&self, kind: Kind) -> Result<T> {
        fault_at(self.pos, kind)
    }

    /// The next character cannot stand here. Controls, unseen and unassigned characters are named as what they are.
    fn unexpected<T>(&self, place: Place) -> Result<T> {
        let Some(found) = self.next_char() else {
            return self.fault(Kind::Empty);
        };
        match found {
            '\r' | '\n' => self.fault(Kind::LineBreak),
            c if c.is_ascii_control() => self.fault(Kind::Control { found }),
            c if !c.is_ascii() => {
                Self::check_class(self.pos, c, true)?;
                self.fault(Kind::Unexpected { found, place })
            }
            _ => self.fault(Kind::Unexpected { found, place }),
        }
    }

    // ---- RFC 5322 section 3.2.1, quoted characters; RFC 6532 section 3.1, what is not ASCII

    /// ```text
    /// quoted-pair = ("\" (VCHAR / WSP))          ; less the tab, which no SMTP command can carry
    /// ```
    fn quoted_pair(&mut self) -> Result<()> {
        match self.bytes.get(self.pos + 1) {
            Some(b' '..=b'~') => {
                self.pos += 2;
                Ok(())
            }
            Some(octet) if octet.is_ascii() => {
                self.pos += 1;
                self.unexpected(Place::LocalPart)
            }
            _ => self.fault(Kind::QuotedPair),
        }
    }

    /// ```text
    /// UTF8-non-ascii = UTF8-2 / UTF8-3 / UTF8-4  ; less what cannot be seen or is not assigned
    /// ```
    fn utf8_non_ascii(&mut self, in_address: bool) -> Result<()> {
        if let Some(found) = self.next_char() {
            Self::check_class(self.pos, found, in_address)?;
            if !unicode::follows_visible(found, self.slice(0, self.pos).chars().next_back()) {
                return self.fault(Kind::Unseen { found });
            }
            self.pos += found.len_utf8();
        }
        Ok(())
    }

    fn check_class(offset: usize, found: char, in_address: bool) -> Result<()> {
        match unicode::class(found) {
            Class::Plain => Ok(()),
            Class::Slip if !in_address => Ok(()),
            Class::Slip => fault_at(offset, Kind::LookAlike { found }),
            Class::Control => fault_at(offset, Kind::Control { found }),
            Class::Unseen => fault_at(offset, Kind::Unseen { found }),
            Class::Unassigned => fault_at(offset, Kind::Unassigned { found }),
        }
    }

    // ---- RFC 5322 section 3.2.2, folding white space and comments

    /// ```text
    /// FWS     = ([*WSP CRLF] 1*WSP) / obs-FWS
    /// obs-FWS = 1*([CRLF] WSP)                   ; erratum 1908
    /// ```
    fn fws(&mut self) -> Result<()> {
        let mut folded = false;
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.pos += 1,
                Some(b'\r' | b'\n') => {
                    let [b'\r', b'\n', b' ' | b'\t', ..] = self.rest() else {
                        return self.fault(Kind::LineBreak);
                    };
                    if folded && self.strict {
                        return self.fault(Kind::RepeatedFold);
                    }
                    folded = true;
                    self.folded += 2;
                    self.pos += 3;
                }
                _ => return Ok(()),
            }
        }
    }

    /// ```text
    /// ctext    = %d33-39 / %d42-91 / %d93-126 / UTF8-non-ascii
    /// ccontent = ctext / quoted-pair / comment
    /// comment  = "(" *([FWS] ccontent) [FWS] ")"
    /// ```
    fn comment(&mut self) -> Result<()> {
        let start = self.pos;
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(b'(') => {
                    depth += 1;
                    self.pos += 1;
                }
                Some(b')') => {
                    depth -= 1;
                    self.pos += 1;
                    if depth == 0 {
                        self.comment.get_or_insert(start + 1..self.pos - 1);
                        return Ok(());
                    }
                }
                Some(b'\\') if self.pos + 1 < self.bytes.len() => self.quoted_pair()?,
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.fws()?,
                Some(octet) if is(CTEXT, octet) => self.run(CTEXT),
                Some(0x80..) => self.utf8_non_ascii(false)?,
                None | Some(b'\\') => return fault_at(start, Kind::UnclosedComment),
                Some(_) => return self.unexpected(Place::DisplayName),
            }
        }
    }

    /// ```text
    /// CFWS = (1*([FWS] comment) [FWS]) / FWS
    /// ```
    /// Optional everywhere, so it may match nothing. Says whether it matched something.
    #[inline]
    fn cfws(&mut self) -> Result<bool> {
        match self.peek() {
            Some(b' ' | b'\t' | b'\r' | b'\n' | b'(') => self.some_cfws().map(|()| true),
            _ => Ok(false),
        }
    }

    fn some_cfws(&mut self) -> Result<()> {
        self.plain = false;
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.fws()?,
                Some(b'(') => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    // ---- RFC 5322 section 3.2.3, atom

    /// ```text
    /// atext = ALPHA / DIGIT / "!" / "#" / … / "~" / UTF8-non-ascii
    /// ```
    /// As many as there are.
    #[inline]
    fn atext(&mut self, in_address: bool) -> Result<()> {
        self.run(ATEXT);
        while let Some(0x80..) = self.peek() {
            self.utf8_non_ascii(in_address)?;
            self.run(ATEXT);
        }
        Ok(())
    }

    fn at_atext(&self) -> bool {
        self.peek().is_some_and(|octet| is(ATEXT, octet) || octet >= 0x80)
    }

    // ---- RFC 5322 section 3.2.4, quoted strings

    /// ```text
    /// qtext         = %d33 / %d35-91 / %d93-126 / UTF8-non-ascii
    /// qcontent      = qtext / quoted-pair
    /// quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE          ; the CFWS around it is read by the callers
    /// ```
    fn quoted_string(&mut self, in_address: bool) -> Result<()> {
        self.plain = false;
        let start = self.pos;
        self.pos += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(b'\\') if self.pos + 1 < self.bytes.len() => self.quoted_pair()?,
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.fws()?,
                Some(octet) if is(QTEXT, octet) => self.run(QTEXT),
                Some(0x80..) => self.utf8_non_ascii(in_address)?,
                None | Some(b'\\') => return fault_at(start, Kind::UnclosedQuote),
                Some(_) => return self.unexpected(Place::LocalPart),
            }
        }
    }

    // ---- RFC 5322 section 3.2.5 and 4.1, phrases

    /// ```text
    /// word       = atom / quoted-string
    /// phrase     = 1*word / obs-phrase
    /// obs-phrase = word *(word / "." / CFWS)     ; read leniently, with the dot first and with "," too
    /// ```
    fn phrase(&mut self) -> Result<&'a str> {
        let start = self.pos;
        let mut end = start;
        loop {
            self.cfws()?;
            match self.peek() {
                Some(b'"') => self.quoted_string(false)?,
                Some(b',') if self.pos == start => return self.fault(Kind::EmptyElement),
                Some(b'.' | b',') if !self.strict => self.pos += 1,
                Some(b'.') => return self.fault(Kind::DotInName),
                Some(b',') => return self.fault(Kind::NameNeedsQuotes { found: ',' }),
                _ if self.at_atext() => self.atext(false)?,
                _ => return Ok(self.slice(start, end)),
            }
            end = self.pos;
        }
    }

    // ---- RFC 5322 section 3.4 and 4.4, addresses

    /// ```text
    /// address = mailbox / group
    /// ```
    /// Says whether it is a group.
    fn address(&mut self, sink: &mut dyn Sink) -> Result<bool> {
        self.mailto()?;
        match self.decide() {
            (Decider::Colon, _) => self.group(sink).map(|()| true),
            _ => self.mailbox(sink).map(|()| false),
        }
    }

    /// ```text
    /// mailbox = name-addr / addr-spec            ; leniently also a bare local name
    /// ```
    fn mailbox(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.mailto()?;
        let decider = self.decide();
        self.angle = decider.0 == Decider::Angle;
        let name = match decider {
            (Decider::Colon, at) => {
                return fault_at(at, if self.single { Kind::GroupNotAllowed } else { Kind::NestedGroup });
            }
            (Decider::Angle, _) => self.name_addr()?,
            _ => {
                self.addr_spec()?;
                RawName::None
            }
        };
        let name = match (name, self.comment.take()) {
            (RawName::None, Some(comment)) if !self.strict => RawName::Comment(&self.input[comment]),
            (name, _) => name,
        };
        sink.mailbox(RawMailbox { name, addr: self.addr });
        Ok(())
    }

    /// The prefix of a link, which has found its way into many an address book.
    fn mailto(&mut self) -> Result<()> {
        const PREFIX: &[u8] = b"mailto:";
        let found = self.rest().get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
        if !found {
            return Ok(());
        }
        if self.strict {
            return self.fault(Kind::Mailto);
        }
        self.pos += PREFIX.len();
        self.cfws()?;
        Ok(())
    }

    /// ```text
    /// name-addr    = [display-name] angle-addr
    /// display-name = phrase
    /// ```
    fn name_addr(&mut self) -> Result<RawName<'a>> {
        let name = match self.phrase()? {
            "" => RawName::None,
            phrase => RawName::Phrase(phrase),
        };
        if self.peek() != Some(b'<') {
            return self.unexpected(Place::DisplayName);
        }
        self.angle_addr()?;
        Ok(name)
    }

    /// ```text
    /// angle-addr     = [CFWS] "<" addr-spec ">" [CFWS] / obs-angle-addr
    /// obs-angle-addr = [CFWS] "<" obs-route addr-spec ">" [CFWS]
    /// ```
    fn angle_addr(&mut self) -> Result<()> {
        let open = self.pos;
        self.pos += 1;
        self.cfws()?;
        self.open = Some(open);
        match self.peek() {
            Some(b'@' | b',') => self.obs_route(open)?,
            _ => self.mailto()?,
        }
        self.addr_spec()?;
        match self.peek() {
            Some(b'>') => self.pos += 1,
            None | Some(b',' | b';' | b'<') => return fault_at(open, Kind::UnclosedAngle),
            Some(_) => return self.unexpected(Place::InBrackets),
        }
        self.open = None;
        self.cfws()?;
        Ok(())
    }

    /// ```text
    /// obs-route       = obs-domain-list ":"
    /// obs-domain-list = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain])
    /// ```
    /// Read and dropped, as RFC 5321 section 4.1.1.3 asks.
    fn obs_route(&mut self, open: usize) -> Result<()> {
        let start = self.pos;
        let mut found = false;
        loop {
            self.cfws()?;
            match self.peek() {
                Some(b',') => self.pos += 1,
                Some(b'@') => {
                    found = true;
                    self.pos += 1;
                    self.domain()?;
                    if !matches!(self.peek(), Some(b',' | b':')) {
                        return fault_at(start, Kind::EmptyLocalPart);
                    }
                }
                Some(b':') if found && !self.strict => break,
                None => return fault_at(open, Kind::UnclosedAngle),
                Some(_) if found => return fault_at(start, Kind::Route),
                Some(b':') => return self.unexpected(Place::LocalPart),
                Some(_) => return fault_at(start, Kind::EmptyElement),
            }
        }
        self.pos += 1;
        Ok(())
    }

    /// ```text
    /// group = display-name ":" [group-list] ";" [CFWS]
    /// ```
    fn group(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let name = self.phrase()?;
        let colon = self.pos;
        if !self.eat(b':') {
            return self.unexpected(Place::DisplayName);
        }
        if name.is_empty() {
            return fault_at(colon, Kind::GroupWithoutName);
        }
        sink.group(name);
        self.list(Some(colon), sink)?;
        self.cfws()?;
        sink.end_group();
        self.angle = true;
        Ok(())
    }

    /// ```text
    /// address-list   = (address *("," address)) / obs-addr-list
    /// obs-addr-list  = *([CFWS] ",") address *("," [address / CFWS])
    /// group-list     = mailbox-list / CFWS / obs-group-list
    /// mailbox-list   = (mailbox *("," mailbox)) / obs-mbox-list
    /// obs-mbox-list  = *([CFWS] ",") mailbox *("," [mailbox / CFWS])
    /// obs-group-list = 1*([CFWS] ",") [CFWS]
    /// ```
    /// A group's list ends with its `;`, where its `:` stands is `group`. Outside groups, lenient reading takes `;` for `,`.
    /// Says how many elements there are.
    fn list(&mut self, group: Option<usize>, sink: &mut dyn Sink) -> Result<usize> {
        let mut elements = 0;
        loop {
            self.comment = None;
            self.cfws()?;
            match (self.peek(), group) {
                (None, None) => return Ok(elements),
                (None, Some(colon)) => return fault_at(colon, Kind::UnclosedGroup),
                (Some(b';'), Some(_)) => {
                    self.pos += 1;
                    return Ok(elements);
                }
                (Some(b',' | b';'), _) => {
                    self.separator(true)?;
                    continue;
                }
                _ => {}
            }
            let is_group = match group {
                None => self.address(sink)?,
                Some(_) => self.mailbox(sink).map(|()| false)?,
            };
            elements += 1;
            match (self.peek(), group) {
                (None, _) | (Some(b';'), Some(_)) => {}
                (Some(b',' | b';'), _) => self.separator(false)?,
                // The `;` of a group separates, too.
                (Some(_), _) if is_group && !self.strict => {}
                (Some(_), _) => return self.text_after_address(),
            }
        }
    }

    /// Consumes a `,` or leniently a `;`. The strict syntax wants an element before and after it.
    fn separator(&mut self, empty: bool) -> Result<()> {
        let at = self.pos;
        self.pos += 1;
        if !self.strict {
            return Ok(());
        }
        if self.bytes[at] == b';' {
            return fault_at(at, Kind::Semicolon);
        }
        self.cfws()?;
        if empty || matches!(self.peek(), None | Some(b';')) {
            return fault_at(at, Kind::EmptyElement);
        }
        Ok(())
    }

    /// What stands where a separator belongs.
    fn text_after_address<T>(&mut self) -> Result<T> {
        if self.peek() == Some(b'<') && !self.angle {
            return fault_at(self.at, Kind::NameNeedsQuotes { found: '@' });
        }
        match (self.next_char(), self.decide().0) {
            (Some(found), _) if unicode::is_wide_separator(found) => self.fault(Kind::LookAlike { found }),
            (_, Decider::At | Decider::Angle | Decider::Colon) if self.single => self.fault(Kind::MoreThanOne),
            (_, Decider::At | Decider::Angle | Decider::Colon) => self.fault(Kind::MissingSeparator),
            _ => self.unexpected(Place::AfterAddress),
        }
    }

    /// A mailbox and nothing else.
    fn only_mailbox(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.single = true;
        self.cfws()?;
        if self.peek().is_none() {
            return self.fault(Kind::Empty);
        }
        self.mailbox(sink)?;
        let end = self.pos;
        match self.peek() {
            None => Ok(()),
            Some(octet @ (b',' | b';')) => {
                self.pos += 1;
                self.cfws()?;
                match self.peek() {
                    Some(_) => self.fault(Kind::MoreThanOne),
                    None => fault_at(end, Kind::TrailingSeparator { found: char::from(octet) }),
                }
            }
            Some(_) => self.text_after_address(),
        }
    }

    /// What kind of item begins here, and where that shows.
    ///
    /// A comma decides only if no `<` follows before the next `@`, `:`, `;` or the end: in `Doe, John <j@example.org>` the
    /// angle bracket says that the comma belongs to the name. One with nothing before or after it never does.
    fn decide(&mut self) -> (Decider, usize) {
        let (decider, at) = self.scan(self.pos, false);
        if decider != Decider::Comma {
            return (decider, at);
        }
        if self.beyond_commas.1 < at {
            self.beyond_commas = self.scan(at, true);
        }
        match self.beyond_commas {
            angle @ (Decider::Angle, _) => angle,
            _ => (Decider::Comma, at),
        }
    }

    /// The first decider from `pos` on, outside quotes and comments.
    fn scan(&self, mut pos: usize, beyond_commas: bool) -> (Decider, usize) {
        let mut depth = 0_usize;
        let mut quoted = false;
        let mut after_comma = false;
        while let Some(&octet) = self.bytes.get(pos) {
            match octet {
                b'\\' if quoted || depth > 0 => pos += 1,
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ if !is(DECIDER, octet) => after_comma &= depth > 0,
                b'"' if depth == 0 => (quoted, after_comma) = (!quoted, false),
                _ if quoted => {}
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                b'@' => return (Decider::At, pos),
                b':' => return (Decider::Colon, pos),
                b',' if !beyond_commas => return (Decider::Comma, pos),
                b',' | b'<' if after_comma => return (Decider::Other, pos),
                b',' => after_comma = true,
                b'<' => return (Decider::Angle, pos),
                _ => return (Decider::Other, pos),
            }
            pos += 1;
        }
        (Decider::Other, self.bytes.len())
    }

    // ---- RFC 5322 section 3.4.1 and 4.4, addr-spec

    /// ```text
    /// addr-spec = local-part "@" domain
    /// ```
    /// Leniently a local part alone, where an address may end.
    fn addr_spec(&mut self) -> Result<()> {
        let start = self.pos;
        (self.addr.domain, self.addr.plain) = (None, None);
        let local_octets = self.local_part()?;
        if local_octets > MAX_LOCAL_PART {
            return fault_at(start, Kind::LocalPartTooLong { length: octets(local_octets) });
        }
        self.at = self.pos;
        if !self.eat(b'@') {
            return Ok(());
        }
        let domain_octets = self.domain()?;
        match self.peek() {
            Some(b'@') => return self.fault(Kind::TwoAts),
            None | Some(b',' | b';' | b'<' | b'>') => {}
            // Something after white space is the caller's.
            Some(_) if matches!(self.bytes[self.pos - 1], b' ' | b'\t' | b')') => {}
            Some(_) => return self.unexpected(Place::Domain),
        }
        let length = local_octets + 1 + domain_octets;
        if length > MAX_ADDRESS {
            return fault_at(start, Kind::AddressTooLong { length: octets(length) });
        }
        if self.plain {
            self.addr.plain = Some(self.slice(self.at - self.addr.local.len(), self.pos));
        }
        Ok(())
    }

    /// ```text
    /// local-part     = dot-atom / quoted-string / obs-local-part
    /// dot-atom       = [CFWS] 1*atext *("." 1*atext) [CFWS]
    /// obs-local-part = word *("." word)          ; read leniently, with dots at the edges and doubled
    /// ```
    /// With its octets on the wire: comments and white space around words do not count, quotes do.
    #[inline]
    fn local_part(&mut self) -> Result<usize> {
        self.cfws()?;
        self.plain = true;
        let start = self.pos;
        let (mut end, mut octets) = (start, 0);
        let mut last = Part::None;
        let (mut edge_dots, mut quoted) = (false, false);
        loop {
            let (from, folded) = (self.pos, self.folded);
            let part = match self.peek() {
                Some(b'.') => {
                    match last {
                        Part::Dot if self.strict => return self.fault(Kind::LocalPartDoubleDot),
                        Part::None if self.strict => {
                            return self.fault(Kind::LocalPartStartsWithDot);
                        }
                        Part::Quoted if self.strict => return self.fault(Kind::PartlyQuoted),
                        Part::Dot | Part::None => edge_dots = true,
                        _ => {}
                    }
                    self.pos += 1;
                    Part::Dot
                }
                Some(b'"') => {
                    if last.is_word() || self.strict && last != Part::None {
                        return self.fault(Kind::PartlyQuoted);
                    }
                    self.quoted_string(true)?;
                    quoted = true;
                    Part::Quoted
                }
                _ if self.at_atext() => {
                    if last == Part::Quoted {
                        return self.fault(Kind::PartlyQuoted);
                    }
                    self.atext(true)?;
                    Part::Atom
                }
                _ => break,
            };
            octets += self.pos - from - (self.folded - folded);
            (last, end) = (part, self.pos);
            if self.cfws()? {
                match self.peek() {
                    Some(b'@') if self.strict => return fault_at(end, Kind::SpaceBesideAt),
                    Some(b'.') if self.strict => return fault_at(end, Kind::SpaceInLocalPart),
                    Some(b'"') if self.strict || last.is_word() => {
                        self.quoted_string(true)?; // if it is never closed, that is worse
                        return fault_at(end, Kind::SpaceInLocalPart);
                    }
                    _ if self.at_atext() && (self.strict || last.is_word()) => {
                        return fault_at(end, Kind::SpaceInLocalPart);
                    }
                    _ => {}
                }
            }
        }
        self.end_of_local_part(last, end)?;
        if (edge_dots || last == Part::Dot) && !quoted {
            octets += 2; // what is no dot-atom is sent in quotes
        }
        self.addr.local = self.slice(start, end);
        Ok(octets)
    }

    /// After the local part comes the `@`, or leniently the end of a bare local name.
    fn end_of_local_part(&self, last: Part, end: usize) -> Result<()> {
        match (self.peek(), last) {
            (Some(b'>'), Part::None) => match self.open {
                Some(_) => self.fault(Kind::EmptyAngle),
                None => self.unexpected(Place::AfterAddress),
            },
            (Some(b'@'), Part::None) => self.fault(Kind::EmptyLocalPart),
            (Some(b'@'), Part::Dot) if self.strict => fault_at(end - 1, Kind::LocalPartEndsWithDot),
            (Some(b','), Part::Atom | Part::Dot) if self.comma_within_local_part() => self.unexpected(Place::LocalPart),
            (Some(b','), Part::None) => self.fault(Kind::EmptyElement),
            (None | Some(b';'), Part::None) => match self.open {
                Some(open) => fault_at(open, Kind::UnclosedAngle),
                None => self.fault(Kind::Empty),
            },
            (None | Some(b',' | b';' | b'>'), _) if self.strict => fault_at(end, Kind::MissingAt),
            (None | Some(b'@' | b',' | b';' | b'>'), _) => Ok(()),
            (Some(_), _) => self.unexpected(Place::LocalPart),
        }
    }

    /// Whether the comma here looks like a part of the local part, as in `a,b@example.org`.
    fn comma_within_local_part(&self) -> bool {
        (self.strict || self.single)
            && self.bytes.get(self.pos + 1).is_some_and(|octet| is(ATEXT, *octet))
            && self.scan(self.pos + 1, false).0 == Decider::At
    }

    /// ```text
    /// Domain     = sub-domain *("." sub-domain)  ; RFC 5321 section 4.1.2
    /// obs-domain = atom *("." atom)              ; of RFC 5322, the white space around dots
    /// ```
    /// With its octets; those of U-labels are known only with IDNA.
    #[inline]
    fn domain(&mut self) -> Result<usize> {
        let gap = self.pos;
        if self.cfws()? && self.strict && self.peek().is_some() {
            return fault_at(gap, Kind::SpaceBesideAt);
        }
        if self.peek() == Some(b'[') {
            return self.address_literal();
        }
        let start = self.pos;
        let (mut end, mut octets, mut has_u_labels) = (start, 0, false);
        loop {
            let label = self.pos;
            let ascii = self.sub_domain()?;
            if self.pos == label {
                return self.no_sub_domain(start, end);
            }
            has_u_labels |= !ascii;
            octets += self.pos - label;
            end = self.pos;
            let gap = self.cfws()?;
            if self.peek() != Some(b'.') {
                break;
            }
            if gap && self.strict {
                return fault_at(end, Kind::SpaceInDomain);
            }
            end = self.pos;
            self.pos += 1;
            octets += 1;
            let gap = self.cfws()?;
            if gap && self.strict && self.at_atext() {
                return fault_at(end + 1, Kind::SpaceInDomain);
            }
        }
        let text = self.slice(start, end);
        self.addr.domain = Some(RawDomain { text, start, has_u_labels });
        if has_u_labels {
            let clean = super::text::without_cfws(text);
            match idn::encode_domain(&clean, !self.strict) {
                Ok(None) => octets = 0,
                Ok(Some(ascii)) => octets = ascii.len(),
                Err(_) => return self.bad_label(start, &clean),
            }
        }
        if octets > MAX_DOMAIN {
            return fault_at(start, Kind::DomainTooLong { length: self::octets(octets) });
        }
        Ok(octets)
    }

    /// The label that IDNA refuses, of the domain at `start` (which is longer than `clean` with white space in it).
    #[cold]
    fn bad_label<T>(&self, start: usize, clean: &str) -> Result<T> {
        let (label, length) = idn::bad_label(clean, !self.strict);
        let kind = length.map_or(Kind::InvalidIdn, |length| Kind::LabelTooLong { length: octets(length) });
        fault_at(if self.plain { start + label } else { start }, kind)
    }

    /// ```text
    /// sub-domain = Let-dig [Ldh-str] / U-label   ; RFC 5321 section 4.1.2, RFC 6531 section 3.3
    /// Let-dig    = ALPHA / DIGIT
    /// Ldh-str    = *( ALPHA / DIGIT / "-" ) Let-dig
    /// ```
    /// Leniently with `_`, and with `-` at the edges. Says whether it is ASCII.
    #[inline]
    fn sub_domain(&mut self) -> Result<bool> {
        let start = self.pos;
        let mut ascii = true;
        loop {
            self.run(LET_DIG);
            match self.peek() {
                Some(b'-') if self.strict && self.pos == start => {
                    return self.fault(Kind::HyphenAtEdge);
                }
                Some(b'_') if self.strict => return self.fault(Kind::Underscore),
                Some(b'-' | b'_') => self.pos += 1,
                Some(0x80..) => {
                    self.utf8_non_ascii(true)?;
                    ascii = false;
                }
                _ => break,
            }
        }
        if !ascii && let Some((at, found)) = unicode::symbol(self.slice(start, self.pos)) {
            let wide = unicode::is_wide_separator(found);
            let kind = if wide { Kind::LookAlike { found } } else { Kind::Unexpected { found, place: Place::Domain } };
            return fault_at(start + at, kind);
        }
        if self.strict && self.pos > start && self.bytes[self.pos - 1] == b'-' {
            return fault_at(self.pos - 1, Kind::HyphenAtEdge);
        }
        let length = self.pos - start;
        if ascii && length > MAX_LABEL {
            return fault_at(start, Kind::LabelTooLong { length: octets(length) });
        }
        Ok(ascii)
    }

    /// Why there is no label: `start` is the domain's start, `end` the last dot.
    fn no_sub_domain<T>(&self, start: usize, end: usize) -> Result<T> {
        let first = self.pos == start;
        match self.peek() {
            Some(b'@') => self.fault(Kind::TwoAts),
            Some(b'.') if first => self.fault(Kind::DomainStartsWithDot),
            Some(b'.') => self.fault(Kind::DomainDoubleDot),
            None | Some(b',' | b';' | b'>' | b'<') if first => self.fault(Kind::EmptyDomain),
            None | Some(b',' | b';' | b'>' | b'<') => fault_at(end, Kind::DomainEndsWithDot),
            Some(_) => self.unexpected(Place::Domain),
        }
    }

    // ---- RFC 5321 section 4.1.3, address literals

    /// ```text
    /// address-literal = "[" ( IPv4-address-literal / IPv6-address-literal / General-address-literal ) "]"
    /// IPv6-address-literal = "IPv6:" IPv6-addr
    /// ```
    /// No tag but `IPv6` is registered, so there are no general ones.
    fn address_literal(&mut self) -> Result<usize> {
        let start = self.pos;
        self.pos += 1;
        self.run(DTEXT);
        match self.peek() {
            Some(b']') => {}
            None => return fault_at(start, Kind::UnclosedLiteral),
            Some(b' ' | b'\t' | b'[' | b'\\') => return fault_at(self.pos, Kind::UnknownLiteral),
            Some(_) => return self.unexpected(Place::Domain),
        }
        let content = &self.bytes[start + 1..self.pos];
        let known = match content.split_at_checked(5) {
            Some((tag, address)) if tag.eq_ignore_ascii_case(b"IPv6:") => ipv6_addr(address),
            _ => ipv4_address_literal(content),
        };
        if !known {
            return fault_at(start + 1, Kind::UnknownLiteral);
        }
        self.pos += 1;
        let text = self.slice(start, self.pos);
        self.cfws()?;
        self.addr.domain = Some(RawDomain { text, start, has_u_labels: false });
        Ok(text.len())
    }
}

/// What of a local part was read last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    None,
    Dot,
    Atom,
    Quoted,
}

impl Part {
    fn is_word(self) -> bool {
        matches!(self, Self::Atom | Self::Quoted)
    }
}

/// ```text
/// IPv4-address-literal = Snum 3("."  Snum)
/// Snum                 = 1*3DIGIT               ; 0 through 255
/// ```
fn ipv4_address_literal(text: &[u8]) -> bool {
    let snum = |text: &[u8]| {
        (1..=3).contains(&text.len())
            && text.iter().all(u8::is_ascii_digit)
            && text.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')) <= 255
    };
    let mut parts = text.split(|octet| *octet == b'.');
    parts.by_ref().take(4).filter(|part| snum(part)).count() == 4 && parts.next().is_none()
}

/// ```text
/// IPv6-addr    = IPv6-full / IPv6-comp / IPv6v4-full / IPv6v4-comp
/// IPv6-hex     = 1*4HEXDIG
/// IPv6-full    = IPv6-hex 7(":" IPv6-hex)
/// IPv6-comp    = [IPv6-hex *5(":" IPv6-hex)] "::" [IPv6-hex *5(":" IPv6-hex)]
/// IPv6v4-full  = IPv6-hex 5(":" IPv6-hex) ":" IPv4-address-literal
/// IPv6v4-comp  = [IPv6-hex *3(":" IPv6-hex)] "::" [IPv6-hex *3(":" IPv6-hex) ":"] IPv4-address-literal
/// ```
/// `::` may stand for a single group, too (RFC 4291 section 2.2).
fn ipv6_addr(text: &[u8]) -> bool {
    // Groups of a run without "::", where an IPv4 address at the very end counts two.
    let groups = |text: &[u8], last: bool| -> Option<usize> {
        if text.is_empty() {
            return Some(0);
        }
        let mut count = 0;
        let mut parts = text.split(|octet| *octet == b':').peekable();
        while let Some(part) = parts.next() {
            if (1..=4).contains(&part.len()) && part.iter().all(u8::is_ascii_hexdigit) {
                count += 1;
            } else if last && parts.peek().is_none() && ipv4_address_literal(part) {
                count += 2;
            } else {
                return None;
            }
        }
        Some(count)
    };
    match text.windows(2).position(|pair| pair == b"::") {
        None => groups(text, true) == Some(8),
        Some(at) => match (groups(&text[..at], false), groups(&text[at + 2..], true)) {
            (Some(before), Some(after)) => before + after <= 7,
            _ => false,
        },
    }
}

fn fault_at<T>(offset: usize, kind: Kind) -> Result<T> {
    Err(Fault { kind, offset })
}

/// A length in an error, which need not be larger than that.
fn octets(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
