//! Why a text is no address: data, with the place. The sentences are in [`super::words`].

use serde::{Deserialize, Serialize};

/// Why a text is no address, and where.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddressError {
    /// What is wrong.
    #[serde(flatten)]
    pub kind: AddressErrorKind,
    /// Where, in UTF-8 bytes from the start; at most the length of the text.
    pub offset: usize,
    /// Where, in characters from the start.
    pub char_offset: usize,
}

impl AddressError {
    pub(super) fn new(input: &str, fault: Fault) -> Self {
        let offset = input.floor_char_boundary(fault.offset);
        Self { kind: fault.kind, offset, char_offset: input[..offset].chars().count() }
    }

    /// The stable name of the kind, as JSON carries it.
    pub fn kind_name(&self) -> &'static str {
        self.kind.name()
    }
}

impl core::error::Error for AddressError {}

/// What the grammar found, before the characters up to it are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub kind: AddressErrorKind,
    pub offset: usize,
}

/// The part of an address that the grammar was reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Before the `@`.
    LocalPart,
    /// After the `@`.
    Domain,
    /// The name before `<` or, of a group, before `:`.
    DisplayName,
    /// After a complete address, where a comma or the end belongs.
    AfterAddress,
    /// After the address in angle brackets, where the `>` belongs.
    InBrackets,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),+ })? = $name:literal,)+) => {
        /// What is wrong with a text that is no address.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum AddressErrorKind {
            $($(#[$doc])* #[serde(rename = $name)] $kind $({ $($(#[$field_doc])* $field: $type),+ })?,)+
        }

        impl AddressErrorKind {
            /// The stable name, in snake case.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind { .. } => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// There is no address.
    Empty = "empty",
    /// The whole text is over [`super::MAX_INPUT`] octets.
    InputTooLong { /** In octets. */ length: u32 } = "input_too_long",
    /// Several mailboxes where exactly one is wanted; the place is the second.
    MoreThanOne = "more_than_one",
    /// A group where exactly one mailbox is wanted.
    GroupNotAllowed = "group_not_allowed",

    /// NUL or another control.
    Control { /** The character. */ found: char } = "control",
    /// CR or LF that is not part of a fold (CR LF before a space or tab).
    LineBreak = "line_break",
    /// Several folds in a row; the obsolete syntax knows them, the strict one does not.
    RepeatedFold = "repeated_fold",
    /// A character that changes the direction of text, or has no width.
    Unseen { /** The character. */ found: char } = "unseen_character",
    /// A code point that is not assigned in [`super::UNICODE_VERSION`].
    Unassigned { /** The character. */ found: char } = "unassigned_character",
    /// A full-width at-sign, dot, comma or semicolon, a foreign space or a variation selector in an address.
    LookAlike { /** The character. */ found: char } = "look_alike",

    /// A character that cannot stand where it stands.
    Unexpected { /** The character. */ found: char, /** Where it stands. */ place: Place } = "unexpected_character",
    /// A backslash with nothing, or with no ASCII character, after it.
    QuotedPair = "quoted_pair",
    /// A `"` that is never closed.
    UnclosedQuote = "unclosed_quote",
    /// A `(` that is never closed.
    UnclosedComment = "unclosed_comment",
    /// A `<` that is never closed.
    UnclosedAngle = "unclosed_angle",
    /// A `[` that is never closed.
    UnclosedLiteral = "unclosed_literal",
    /// A `Name:` whose group never ends with `;`.
    UnclosedGroup = "unclosed_group",
    /// A `:` with no name before it.
    GroupWithoutName = "group_without_name",
    /// A group within a group.
    NestedGroup = "nested_group",

    /// No `@`.
    MissingAt = "missing_at",
    /// A second `@`.
    TwoAts = "two_ats",
    /// White space or a comment beside the `@`.
    SpaceBesideAt = "space_beside_at",

    /// Nothing before the `@`.
    EmptyLocalPart = "empty_local_part",
    /// Nothing between `<` and `>`.
    EmptyAngle = "empty_angle",
    /// The local part starts with a dot.
    LocalPartStartsWithDot = "local_part_starts_with_dot",
    /// The local part ends with a dot.
    LocalPartEndsWithDot = "local_part_ends_with_dot",
    /// Two dots in a row in the local part.
    LocalPartDoubleDot = "local_part_double_dot",
    /// White space or a comment within the local part.
    SpaceInLocalPart = "space_in_local_part",
    /// Quoted text beside other text in the local part.
    PartlyQuoted = "partly_quoted",
    /// The local part is over 64 octets (RFC 5321 section 4.5.3.1.1).
    LocalPartTooLong { /** In octets. */ length: u32 } = "local_part_too_long",

    /// Nothing after the `@`.
    EmptyDomain = "empty_domain",
    /// The domain starts with a dot.
    DomainStartsWithDot = "domain_starts_with_dot",
    /// The domain ends with a dot.
    DomainEndsWithDot = "domain_ends_with_dot",
    /// Two dots in a row in the domain.
    DomainDoubleDot = "domain_double_dot",
    /// White space or a comment within the domain.
    SpaceInDomain = "space_in_domain",
    /// A label of the domain starts or ends with a hyphen.
    HyphenAtEdge = "hyphen_at_edge",
    /// An underscore in the domain.
    Underscore = "underscore",
    /// A label of the domain is over 63 octets (RFC 1035 section 2.3.4).
    LabelTooLong { /** In octets. */ length: u32 } = "label_too_long",
    /// The domain is over 255 octets (RFC 5321 section 4.5.3.1.2).
    DomainTooLong { /** In octets. */ length: u32 } = "domain_too_long",
    /// The address is over 254 octets (RFC 5321 section 4.5.3.1.3, less the angle brackets).
    AddressTooLong { /** In octets. */ length: u32 } = "address_too_long",
    /// A domain literal that RFC 5321 section 4.1.3 does not know.
    UnknownLiteral = "unknown_literal",
    /// A U-label that IDNA does not allow; the place is the label. Only found with the feature `idna`.
    InvalidIdn = "invalid_idn",

    /// An unquoted dot in a display name.
    DotInName = "dot_in_name",
    /// A display name without an address in angle brackets, or one before a second `@`.
    NameNeedsQuotes { /** The character that needs the quotes. */ found: char } = "name_needs_quotes",
    /// A route (`<@a,@b:c@d>`).
    Route = "route",
    /// The prefix `mailto:`.
    Mailto = "mailto",
    /// A comma with no address before or after it.
    EmptyElement = "empty_element",
    /// A `;` where the strict syntax wants a comma.
    Semicolon = "semicolon",
    /// A separator after the only address.
    TrailingSeparator { /** A comma or a semicolon. */ found: char } = "trailing_separator",
    /// Two addresses with nothing between them.
    MissingSeparator = "missing_separator",
}
