//! How telephone numbers are dialled in each country: its calling code (ITU-T E.164), and what stands before a national number.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::FaxError;
use crate::words;

/// A country, by the code of two letters that ISO 3166-1 gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Country {
    code: [u8; 2],
    calling_code: u16,
    trunk: Trunk,
}

/// What stands before a national number, and is left out after the calling code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trunk {
    /// Nothing, and no number begins with a zero.
    Nothing,
    /// Nothing; a zero at the beginning is part of the number, also after the calling code.
    OwnZero,
    /// Always a zero: without it, the number is one within a city.
    Zero,
    /// A zero, which is often left out.
    MaybeZero,
    /// Always 06.
    ZeroSix,
    /// A one, which is often left out, before a number of so many digits.
    One(usize),
    /// An eight or an 80, which is often left out, before a number of so many digits.
    Eight(usize),
}

/// The countries by what stands before their numbers: a calling code, and who shares it.
const COUNTRIES: [(Trunk, &str); 10] = [
    (
        Trunk::Nothing,
        "30:GR 34:ES 45:DK 47:NO,SJ,BV 48:PL 52:MX 56:CL 65:SG 216:TN 220:GM 221:SN 222:MR 223:ML 224:GN 228:TG 230:MU 235:TD \
         236:CF 237:CM 238:CV 239:ST 240:GQ 244:AO 245:GW 246:IO 247:AC 248:SC 253:DJ 257:BI 258:MZ 266:LS 267:BW 268:SZ \
         269:KM 290:SH,TA 297:AW 298:FO 299:GL 350:GI 351:PT 352:LU 354:IS 356:MT 357:CY 371:LV 372:EE 376:AD 420:CZ \
         500:FK,GS 501:BZ 502:GT 503:SV 504:HN 505:NI 506:CR 507:PA 509:HT 592:GY 597:SR 599:CW,BQ 670:TL 672:NF,AQ,HM 673:BN \
         674:NR 675:PG 676:TO 677:SB 678:VU 679:FJ 680:PW 681:WF 682:CK 683:NU 685:WS 687:NC 688:TV 689:PF 690:TK 691:FM \
         852:HK 853:MO 960:MV 965:KW 968:OM 973:BH 974:QA 975:BT 992:TJ 998:UZ",
    ),
    (
        Trunk::Zero,
        "20:EG 27:ZA 31:NL 32:BE 33:FR 40:RO 41:CH 43:AT 44:GB,GG,IM,JE 46:SE 49:DE 51:PE 53:CU 54:AR 58:VE 60:MY 61:AU,CC,CX \
         62:ID 63:PH 64:NZ,PN 66:TH 81:JP 82:KR 84:VN 86:CN 90:TR 91:IN 92:PK 93:AF 94:LK 95:MM 98:IR 211:SS 212:MA,EH 213:DZ \
         218:LY 231:LR 232:SL 233:GH 234:NG 243:CD 249:SD 251:ET 254:KE 255:TZ 256:UG 260:ZM 261:MG 262:RE,YT,TF 263:ZW \
         264:NA 265:MW 291:ER 353:IE 355:AL 358:FI,AX 359:BG 370:LT 373:MD 374:AM 380:UA 381:RS 382:ME 383:XK 385:HR 386:SI \
         387:BA 389:MK 421:SK 508:PM 590:GP,BL,MF 593:EC 594:GF 595:PY 596:MQ 850:KP 855:KH 856:LA 880:BD 886:TW 961:LB \
         962:JO 963:SY 964:IQ 966:SA 967:YE 970:PS 971:AE 972:IL 977:NP 994:AZ 995:GE 996:KG",
    ),
    (Trunk::MaybeZero, "55:BR 57:CO 250:RW 252:SO 377:MC 423:LI 591:BO 598:UY 686:KI 976:MN"),
    (Trunk::OwnZero, "39:IT,VA 225:CI 226:BF 227:NE 229:BJ 241:GA 242:CG 378:SM"),
    (Trunk::ZeroSix, "36:HU"),
    // The North American Numbering Plan.
    (Trunk::One(10), "1:US,AG,AI,AS,BB,BM,BS,CA,DM,DO,GD,GU,JM,KN,KY,LC,MP,MS,PR,SX,TC,TT,UM,VC,VG,VI"),
    (Trunk::One(7), "692:MH"),
    (Trunk::Eight(10), "7:RU,KZ"),
    (Trunk::Eight(9), "375:BY"),
    (Trunk::Eight(8), "993:TM"),
];

/// What is dialled before an international number where it isn't 00; empty where there are several or one is also the
/// beginning of another, so that nobody can tell.
const EXITS: [(&str, &str); 5] = [
    ("011", "AG AI AS BB BM BS CA DM DO GD GU JM KN KY LC MH MP MS PR SX TC TT UM US VC VG VI"),
    ("0011", "AU CC CX"),
    ("010", "JP"),
    ("810", "BY KZ RU TJ TM"),
    ("", "BO BR CL CO CU CV GY HK ID KE KH KR MN NG PW SB SG TH TW TZ UG WS"),
];

impl Country {
    /// The country with this code, in either case; `UK` is the United Kingdom as well.
    ///
    /// # Errors
    /// [`FaxError::UnknownCountry`].
    pub fn parse(text: &str) -> Result<Self, FaxError> {
        let upper = text.trim().to_ascii_uppercase();
        let wanted = if upper == "UK" { "GB" } else { upper.as_str() };
        let found = all().find(|country| country.code() == wanted);
        found.ok_or_else(|| FaxError::UnknownCountry { text: words::quote(text.trim()) })
    }

    /// The first of the countries whose calling code `digits` begin with: those that share one dial alike.
    pub(super) fn of_number(digits: &str) -> Option<Self> {
        // No calling code is the beginning of another one.
        all().find(|country| digits.starts_with(&country.calling_code.to_string()))
    }

    /// The two letters, in upper case.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// What a number of this country begins with, after the `+`.
    pub const fn calling_code(&self) -> u16 {
        self.calling_code
    }

    pub(super) const fn trunk(self) -> Trunk {
        self.trunk
    }

    /// What is dialled there before an international number; `None` where that can't be told from other numbers.
    pub(super) fn exit(self) -> Option<&'static str> {
        let own = EXITS.iter().find(|(_, codes)| codes.split(' ').any(|code| code == self.code()));
        own.map_or(Some("00"), |(exit, _)| Some(*exit).filter(|exit| !exit.is_empty()))
    }

    /// A number of this country as it could be written there, for an example: the international form without the `+`.
    pub(super) fn example(self) -> String {
        match self.trunk {
            Trunk::One(10) => format!("{} 212 555 0100", self.calling_code),
            Trunk::One(length) | Trunk::Eight(length) => {
                let digits = "301234567890".get(..length).unwrap_or_default();
                let (area, rest) = digits.split_at_checked(2).unwrap_or_default();
                format!("{} {area} {rest}", self.calling_code)
            }
            Trunk::OwnZero => format!("{} 06 123456", self.calling_code),
            _ => format!("{} 30 123456", self.calling_code),
        }
    }
}

/// Every country, of those that share a calling code the most populous first.
fn all() -> impl Iterator<Item = Country> {
    let group = |(trunk, countries): &'static (Trunk, &'static str)| {
        countries.split_ascii_whitespace().filter_map(|line| line.split_once(':')).flat_map(|(calling_code, codes)| {
            codes.split(',').filter_map(|code| {
                let &[first, second] = code.as_bytes() else { return None };
                Some(Country { code: [first, second], calling_code: calling_code.parse().ok()?, trunk: *trunk })
            })
        })
    };
    COUNTRIES.iter().flat_map(group)
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.code().to_owned()
    }
}

impl TryFrom<String> for Country {
    type Error = FaxError;

    fn try_from(text: String) -> Result<Self, FaxError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_country() {
        let countries: Vec<_> = all().collect();
        let lines = COUNTRIES.iter().flat_map(|(_, text)| text.split([' ', ',']));
        assert_eq!(countries.len(), lines.count());
        let codes: BTreeSet<_> = countries.iter().map(|country| country.code().to_owned()).collect();
        assert_eq!(codes.len(), countries.len(), "each once");
        assert!(codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_uppercase())));
        for code in EXITS.iter().flat_map(|(_, codes)| codes.split(' ')) {
            assert!(codes.contains(code), "{code}");
        }
    }

    #[test]
    fn no_calling_code_is_the_beginning_of_another() {
        let codes: BTreeSet<String> = all().map(|country| country.calling_code.to_string()).collect();
        for code in &codes {
            assert!((1..=3).contains(&code.len()), "{code}");
            assert!(!codes.iter().any(|other| other != code && other.starts_with(code.as_str())), "{code}");
        }
    }

    #[test]
    fn a_country_is_found_by_its_letters() {
        for (text, code, calling_code) in
            [("de", "DE", 49), (" It ", "IT", 39), ("uk", "GB", 44), ("XK", "XK", 383), ("ca", "CA", 1)]
        {
            let country = Country::parse(text).unwrap();
            assert_eq!((country.code(), country.calling_code()), (code, calling_code));
            assert_eq!(serde_json::from_str::<Country>(&serde_json::to_string(&country).unwrap()).unwrap(), country);
        }
        for text in ["", "D", "DEU", "ZZ", "49", "D\u{c9}", "Germany", &"D".repeat(100_000)] {
            assert!(matches!(Country::parse(text), Err(FaxError::UnknownCountry { .. })), "{text:.20}");
        }
    }
}
