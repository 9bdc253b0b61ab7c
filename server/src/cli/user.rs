//! `postroom setup-link` and `postroom user`.

use std::process::ExitCode;

use domain::access::Account;
use domain::words;

use super::data::{refuse, say};
use super::{LinkArgs, UserCommand};
use crate::control::{Done, Hidden, Refusal, Request};

pub(super) fn setup_link(args: &LinkArgs) -> ExitCode {
    match args.data.carry_out(Request::SetupLink, &mut |_| Ok(())) {
        Ok(Done::Link { link, base, minutes }) => {
            say(&format!("Set up the first account within {}: {}", within(minutes), url(args, base, &link)));
            ExitCode::SUCCESS
        }
        Ok(_) => refuse(&Refusal::other_version()),
        Err(refusal) => refuse(&refusal),
    }
}

pub(super) fn run(command: &UserCommand) -> ExitCode {
    let (request, args, said) = match command {
        UserCommand::List { json, data } => {
            return match data.carry_out(Request::Users, &mut |_| Ok(())) {
                Ok(Done::Users { accounts }) => list(&accounts, *json),
                Ok(_) => refuse(&Refusal::other_version()),
                Err(refusal) => refuse(&refusal),
            };
        }
        UserCommand::Add { name, role, link } => (
            Request::AddUser { name: name.clone(), role: role.clone() },
            link,
            format!("Added {name}. Its owner chooses a password"),
        ),
        UserCommand::ResetPassword { name, remove_second_factor, link } => {
            let factor = if *remove_second_factor { ", nor does its second factor" } else { "" };
            let said = format!("The password of {name} and its sessions count no more{factor}. Its owner chooses a new one");
            (Request::ResetPassword { name: name.clone(), second_factor: *remove_second_factor }, link, said)
        }
    };
    match args.data.carry_out(request, &mut |_| Ok(())) {
        Ok(Done::Link { link, base, minutes }) => {
            say(&format!("{said} within {}: {}", within(minutes), url(args, base, &link)));
            ExitCode::SUCCESS
        }
        Ok(_) => refuse(&Refusal::other_version()),
        Err(refusal) => refuse(&refusal),
    }
}

fn within(minutes: u64) -> String {
    match minutes / 60 {
        1 => "one hour".into(),
        hours => format!("{hours} hours"),
    }
}

fn url(args: &LinkArgs, base: Option<String>, Hidden(link): &Hidden) -> String {
    let base = args.public_url.clone().or(base).unwrap_or_else(|| format!("http://{}", args.addr));
    format!("{}/welcome?token={}", base.trim_end_matches('/'), link.as_str())
}

fn list(accounts: &[Account], json: bool) -> ExitCode {
    if json {
        say(&serde_json::to_string(accounts).unwrap_or_default());
        return ExitCode::SUCCESS;
    }
    if accounts.is_empty() {
        say("There is no account yet; postroom setup-link prints the link for the first one.");
    }
    for account in accounts {
        let factor = if account.second_factor { ", second factor" } else { "" };
        let password = if account.has_password { "" } else { ", no password yet" };
        let last =
            account.last_sign_in_ms.map_or_else(|| "never signed in".into(), |at| format!("last signed in {}", words::utc(at)));
        say(&format!("{}\t{}\t{last}{factor}{password}", account.name, account.role.key()));
    }
    ExitCode::SUCCESS
}
