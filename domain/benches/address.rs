//! An address checked, one after another, against `email_address` and `lettre::Address` in the same run:
//! `cargo bench --bench address`.

use divan::{Bencher, black_box, counter::ItemsCount};
use domain::address::{AddrSpec, AddressList, Mailbox, Strictness};
use email_address::{EmailAddress, Options};

/// What people type: mostly plain, with the odd literal, quoted string and non-ASCII local part. All of them are
/// addresses to each of the three.
const ADDRESSES: [&str; 10] = [
    "jo@example.com",
    "john.doe@mail.example.org",
    "first.last+tag@sub.department.example.co.uk",
    "noreply@notifications.service.example.com",
    "x@y.io",
    "customer_service-team.emea@a-rather-long-company-name.example",
    "\"jo doe\"@example.org",
    "info@xn--bcher-kva.example",
    "jürg@example.ch",
    "1234567890@numbers.example.net",
];

fn main() {
    for address in ADDRESSES {
        assert!(AddrSpec::validate(address, Strictness::Strict).is_ok(), "{address}");
        assert!(EmailAddress::parse_with_options(address, Options::default()).is_ok(), "{address}");
        assert!(address.parse::<lettre::Address>().is_ok(), "{address}");
    }
    divan::main();
}

fn run(bencher: Bencher<'_, '_>, check: impl Fn(&str) -> bool + Sync) {
    bencher
        .counter(ItemsCount::new(ADDRESSES.len()))
        .bench(|| ADDRESSES.iter().filter(|address| check(black_box(address))).count());
}

mod validate {
    use super::{AddrSpec, AddressList, Bencher, EmailAddress, Mailbox, Strictness, run};

    #[divan::bench]
    fn domain_addr_spec(bencher: Bencher<'_, '_>) {
        run(bencher, |address| AddrSpec::validate(address, Strictness::Strict).is_ok());
    }

    #[divan::bench]
    fn domain_mailbox(bencher: Bencher<'_, '_>) {
        run(bencher, |address| Mailbox::validate(address, Strictness::Strict).is_ok());
    }

    #[divan::bench]
    fn domain_list_lenient(bencher: Bencher<'_, '_>) {
        run(bencher, |address| AddressList::validate(address, Strictness::Lenient).is_ok());
    }

    #[divan::bench]
    fn email_address(bencher: Bencher<'_, '_>) {
        run(bencher, EmailAddress::is_valid);
    }
}

mod parse {
    use super::{AddrSpec, Bencher, EmailAddress, Mailbox, Options, Strictness, run};

    #[divan::bench]
    fn domain_addr_spec(bencher: Bencher<'_, '_>) {
        run(bencher, |address| AddrSpec::parse(address, Strictness::Strict).is_ok());
    }

    #[divan::bench]
    fn domain_mailbox(bencher: Bencher<'_, '_>) {
        run(bencher, |address| Mailbox::parse(address, Strictness::Strict).is_ok());
    }

    #[divan::bench]
    fn email_address(bencher: Bencher<'_, '_>) {
        run(bencher, |address| EmailAddress::parse_with_options(address, Options::default()).is_ok());
    }

    #[divan::bench]
    fn lettre_address(bencher: Bencher<'_, '_>) {
        run(bencher, |address| address.parse::<lettre::Address>().is_ok());
    }
}
