//! The command line: `serve`, and verbs for trouble and scripts on the machine itself.

mod address;
mod backup;
mod data;
mod export;
mod import;
mod passphrase;
mod restore;
mod rotate_key;
mod send;
mod send_test;
mod serve;
mod sign_in;
mod user;
mod verify_activity;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use domain::size::Size;
use domain::submission::DEFAULT_KEPT_DAYS;

use self::data::DataArgs;
use crate::files::Limits;
use crate::hardening;
use crate::mailer::{List, NetworkPolicy};

/// Exit code for usage or configuration that can't work (as swaks has it).
const USAGE: u8 = 1;

/// The place where an organisation's outgoing mail servers are configured, proven and used.
#[derive(Debug, Parser)]
#[command(name = "postroom", version, args_conflicts_with_subcommands = true, after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

const HELP: &str = "Without a command, postroom serves. Every option can also be given as the environment variable beside it.
POSTROOM_LOG sets what is logged (such as info or server=debug); POSTROOM_LOG_FORMAT=json logs JSON lines.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints a new link for the first account, while there is none
    #[command(after_help = USER_HELP)]
    SetupLink(LinkArgs),
    /// Lists accounts, adds one, or lets somebody choose a new password; also while Postroom runs
    #[command(after_help = USER_HELP)]
    User(UserArgs),
    /// Serves the web app and the API (the default command)
    Serve(ServeArgs),
    /// Tries one SMTP server, without a server running and without a database
    #[command(after_help = SEND_TEST_HELP)]
    SendTest(SendTestArgs),
    /// Sends a message through the running Postroom: one on standard input, as sendmail -t takes it, or by options
    #[command(after_help = SEND_HELP)]
    Send(SendArgs),
    /// Reads address lists, a line each, and says what they mean
    Address(AddressArgs),
    /// Seals every stored password with a new key; also while Postroom runs
    #[command(after_help = ROTATE_HELP)]
    RotateKey(RotateKeyArgs),
    /// Backs everything up into one file; also while Postroom runs
    #[command(after_help = BACKUP_HELP)]
    Backup(BackupArgs),
    /// Makes a data directory of a back-up
    #[command(after_help = RESTORE_HELP)]
    Restore(RestoreArgs),
    /// Writes all servers as JSON, without their secrets; also while Postroom runs
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArgs),
    /// Takes servers in from JSON; also while Postroom runs
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArgs),
    /// Proves that nothing of the activity was changed or removed; also while Postroom runs
    #[command(after_help = VERIFY_HELP)]
    VerifyActivity(VerifyActivityArgs),
}

const USER_HELP: &str = "For whoever is locked out. Nobody's password is chosen or shown: each account gets a link by which its owner chooses one, good for one
use. It begins with the address that the running Postroom is reached at, or with --public-url.

Exit codes: 0 done, 1 usage, 3–13 as serving, 15 the running Postroom can't be asked, 23 the accounts don't allow it (the name is taken, there is no
such account, there are accounts already).";

#[derive(Debug, Args)]
struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Lists the accounts
    List {
        /// A JSON array
        #[arg(long, env = "POSTROOM_JSON", value_parser = BoolishValueParser::new())]
        json: bool,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Adds an account and prints the link for its owner, good for 24 hours
    Add {
        /// Its name
        name: String,
        /// What it may do: viewer, operator or administrator
        #[arg(long, env = "POSTROOM_ROLE", value_name = "ROLE")]
        role: String,
        #[command(flatten)]
        link: LinkArgs,
    },
    /// Voids a password and every session, and prints a link for a new one, good for an hour
    ResetPassword {
        /// The account's name
        name: String,
        /// Also removes the second factor
        #[arg(long, env = "POSTROOM_REMOVE_SECOND_FACTOR", value_parser = BoolishValueParser::new())]
        remove_second_factor: bool,
        #[command(flatten)]
        link: LinkArgs,
    },
}

/// Where links lead.
#[derive(Debug, Args)]
struct LinkArgs {
    /// The address that the link begins with, if it is another one than the running Postroom's
    #[arg(long, env = "POSTROOM_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Where it listens, where that is not the default
    #[arg(long, env = "POSTROOM_ADDR", default_value = "127.0.0.1:3000", value_name = "IP:PORT")]
    addr: String,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Where to listen. Beyond this machine's own (loopback) addresses, --public-url is needed, and either --tls-cert or --trusted-proxy
    #[arg(long, env = "POSTROOM_ADDR", default_value = "127.0.0.1:3000", value_name = "IP:PORT")]
    addr: String,
    #[command(flatten)]
    data: DataArgs,
    #[arg(
        help = "The address under which people reach it, if that is another one, such as https://post.example.com",
        long,
        env = "POSTROOM_PUBLIC_URL",
        value_name = "URL"
    )]
    public_url: Option<String>,
    #[arg(
        help = "The address that download links begin with, if they are to have a name of their own, such as https://files.example.com; nothing else is there",
        long,
        env = "POSTROOM_LINKS_URL",
        value_name = "URL"
    )]
    links_url: Option<String>,
    /// The certificate that the page shows, with those above it (PEM); read anew when it changes
    #[arg(long, env = "POSTROOM_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM); not readable by everybody
    #[arg(long, env = "POSTROOM_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Believe what a proxy at this address or network says of who asks (X-Forwarded-For, X-Forwarded-Proto). Several: repeat it, or separate
    /// them by commas
    #[arg(long = "trusted-proxy", env = "POSTROOM_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',')]
    trusted_proxies: Vec<String>,
    /// How many days messages that applications sent are remembered, 1 to 3650; their texts never are
    #[arg(long, env = "POSTROOM_MESSAGES_DAYS", value_name = "DAYS", default_value_t = DEFAULT_KEPT_DAYS, value_parser = clap::value_parser!(u16).range(1..=3650))]
    messages_days: u16,
    #[command(flatten)]
    attachments: AttachmentArgs,
    #[command(flatten)]
    oauth: OauthArgs,
    #[command(flatten)]
    networks: NetworkArgs,
}

/// How much may be kept of what download links stand for. Read by hand, as networks are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files that links stand for")]
struct AttachmentArgs {
    /// How much all of them may take, such as 500 MB; what doesn't fit is refused
    #[arg(long = "attachments-quota", env = "POSTROOM_ATTACHMENTS_QUOTA", value_name = "SIZE", default_value = "10 GB")]
    quota: String,
    /// What stays free on the disk for everything else
    #[arg(long = "attachments-reserve", env = "POSTROOM_ATTACHMENTS_RESERVE", value_name = "SIZE", default_value = "1 GB")]
    reserve: String,
}

impl AttachmentArgs {
    /// What they mean, or the sentence that says what is wrong.
    fn limits(&self) -> Result<Limits, String> {
        let read = |text: &str, option: &str| {
            let wrong = |_| format!("{option}: “{text}” isn't a size of at most 1024 GB. Use one such as 10 GB or 500 MB.");
            Size::parse(text).map(Size::bytes).map_err(wrong)
        };
        Ok(Limits {
            quota: read(&self.quota, "--attachments-quota (POSTROOM_ATTACHMENTS_QUOTA)")?,
            reserve: read(&self.reserve, "--attachments-reserve (POSTROOM_ATTACHMENTS_RESERVE)")?,
        })
    }
}

/// Where mail servers may be. Both are read by hand: a wrong one is to be told in a sentence of ours.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where mail servers may be")]
struct NetworkArgs {
    /// Also connect to mail servers here, although the defaults forbid it: link-local, multicast, unspecified and broadcast
    /// addresses, and those of clouds' own services. Several: repeat it, or separate them by commas
    #[arg(long = "allow-network", env = "POSTROOM_ALLOW_NETWORKS", value_name = "CIDR", value_delimiter = ',')]
    allow: Vec<String>,
    /// Never connect to mail servers here, such as 10.0.0.0/8; wins over whatever is allowed
    #[arg(long = "deny-network", env = "POSTROOM_DENY_NETWORKS", value_name = "CIDR", value_delimiter = ',')]
    deny: Vec<String>,
}

impl NetworkArgs {
    /// What they mean, or the sentence that says what is wrong.
    fn policy(&self) -> Result<NetworkPolicy, String> {
        NetworkPolicy::parse(&self.allow, &self.deny).map_err(|error| {
            let option = match error.list {
                List::Allow => "--allow-network (POSTROOM_ALLOW_NETWORKS)",
                List::Deny => "--deny-network (POSTROOM_DENY_NETWORKS)",
            };
            format!("{option}: {error}")
        })
    }
}

const SEND_TEST_HELP: &str =
    "Where somebody has to sign in for Azure OAuth, standard error says what to type, or what to open in a browser on this machine; nothing
of it is kept.

Exit codes: 0 sent or checked, 1 usage or configuration, 2 no connection, 6 closed unexpectedly, 21–26, 28, 29 and 32 the stage that
failed, as swaks has them, 40 nobody knows whether it was sent, 41 cancelled, 42 it took too long.";

#[derive(Debug, Args)]
struct SendTestArgs {
    /// The JSON of one SMTP server; - reads standard input
    #[arg(long, env = "POSTROOM_CONFIG", value_name = "FILE", default_value = "", hide_default_value = true)]
    config: String,
    /// The sender; without it, the entry's own sender
    #[arg(long, env = "POSTROOM_FROM", value_name = "ADDR", default_value = "")]
    from: String,
    /// The recipients, separated by commas; with a fax server, fax numbers
    #[arg(long, env = "POSTROOM_TO", value_name = "ADDR", default_value = "")]
    to: String,
    /// Attaches a file of this size to the test email, such as 12MB; above the entry's threshold it is refused. Not with a fax server
    #[arg(long, env = "POSTROOM_ATTACH", value_name = "SIZE", default_value = "", hide_default_value = true)]
    attach: String,
    /// Sends nothing: ends after the recipients were accepted, or after signing in where no addresses are given
    #[arg(long, env = "POSTROOM_CHECK_ONLY", value_parser = BoolishValueParser::new())]
    check_only: bool,
    /// How events are printed
    #[arg(long, env = "POSTROOM_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Authorities to trust besides the system's for this run (PEM)
    #[arg(long, env = "POSTROOM_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    oauth: OauthArgs,
    #[command(flatten)]
    networks: NetworkArgs,
}

const SEND_HELP: &str = "The token, made under Tokens with the verb “Submit messages”, comes from POSTROOM_TOKEN or --token-file. Without any option about the
message, standard input holds it with its header fields; who is to receive it is read from To, Cc and Bcc.

Exit codes: 0 sent, 1 usage or a message that can't be sent as it is, 15 Postroom can't be reached, and as send-test: 2 no connection, 6
closed unexpectedly, 21–26, 28, 29 and 32 the stage that failed, 40 nobody knows whether it was sent, 41 cancelled, 42 it took too long.";

#[derive(Debug, Args)]
struct SendArgs {
    /// Where Postroom runs
    #[arg(long, env = "POSTROOM_URL", value_name = "URL", default_value = "http://127.0.0.1:3000")]
    url: String,
    #[arg(
        help = "A file that holds the token; without it, the variable POSTROOM_TOKEN does",
        long,
        env = "POSTROOM_TOKEN_FILE",
        value_name = "FILE"
    )]
    token_file: Option<PathBuf>,
    /// The server it goes through; without it, the default
    #[arg(long, env = "POSTROOM_SERVER", value_name = "NAME")]
    server: Option<String>,
    /// The sender; without it, the server's own
    #[arg(long, env = "POSTROOM_FROM", value_name = "ADDR")]
    from: Option<String>,
    /// Recipients; may be repeated
    #[arg(long, env = "POSTROOM_TO", value_name = "ADDR")]
    to: Vec<String>,
    /// More recipients; may be repeated
    #[arg(long, env = "POSTROOM_CC", value_name = "ADDR")]
    cc: Vec<String>,
    /// More recipients, whom nobody sees; may be repeated
    #[arg(long, env = "POSTROOM_BCC", value_name = "ADDR")]
    bcc: Vec<String>,
    /// Whom an answer is for; may be repeated
    #[arg(long, env = "POSTROOM_REPLY_TO", value_name = "ADDR")]
    reply_to: Vec<String>,
    /// The subject
    #[arg(long, env = "POSTROOM_SUBJECT", value_name = "TEXT")]
    subject: Option<String>,
    /// The text; @FILE reads a file, @- standard input
    #[arg(long, env = "POSTROOM_TEXT", value_name = "TEXT")]
    text: Option<String>,
    /// The same as HTML; @FILE reads a file, @- standard input
    #[arg(long, env = "POSTROOM_HTML", value_name = "HTML")]
    html: Option<String>,
    /// A file to attach; may be repeated
    #[arg(long, env = "POSTROOM_ATTACH", value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// What hands it over: bpm-mail-node, or nothing
    #[arg(long, env = "POSTROOM_SOURCE", value_name = "SOURCE")]
    source: Option<String>,
    /// Taken for sendmail's sake: recipients are read from the message anyway
    #[arg(short = 't', hide = true)]
    t: bool,
    /// How the outcome is printed
    #[arg(long, env = "POSTROOM_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Authorities to trust besides the system's (PEM), where --url begins with https://
    #[arg(long, env = "POSTROOM_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Where access tokens come from.
#[derive(Debug, Args)]
struct OauthArgs {
    /// The sign-in service that Azure OAuth asks for access tokens: another cloud's, or for development one on this machine itself, the only
    /// one that may begin with http://
    #[arg(long, env = "POSTROOM_OAUTH_AUTHORITY", value_name = "URL", default_value = domain::oauth::MICROSOFT)]
    oauth_authority: String,
}

impl OauthArgs {
    /// The address, or the sentence that says what is wrong with it.
    fn authority(&self) -> Result<&str, String> {
        let uri: Option<http::Uri> = self.oauth_authority.parse().ok();
        let fine = uri.is_some_and(|uri| match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(host)) => !host.is_empty(),
            (Some("http"), Some(host)) => host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
            _ => false,
        });
        if fine {
            return Ok(&self.oauth_authority);
        }
        Err(format!(
            "--oauth-authority (POSTROOM_OAUTH_AUTHORITY): “{}” isn't the address of a sign-in service. Use https:// and a name, such as {}.",
            self.oauth_authority,
            domain::oauth::MICROSOFT
        ))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// A JSON object a line
    Ndjson,
}

const ROTATE_HELP: &str =
    "It makes a new data key, seals every secret with it, and removes the one of before. Where the key to it is
postroom.key in the data directory, that is replaced, too; what was backed up before needs the key of before. Killed at any moment,
everything stays readable, and the next start or run goes on.

Exit codes: 0 done, 1 usage, 3–13 as serving, 15 the running Postroom can't be asked, 16 it is under way already, 17 done, but some
secrets don't open and were left as they are.";

#[derive(Debug, Args)]
struct RotateKeyArgs {
    #[command(flatten)]
    data: DataArgs,
    /// The file of the new key to the data key, made if it is missing. From then on it is to be given as --key-file
    #[arg(long, env = "POSTROOM_NEW_KEY_FILE", value_name = "FILE")]
    new_key_file: Option<PathBuf>,
}

const BACKUP_HELP: &str = "The file is of one instant, readable by its owner only, and encrypted with a key that is made of a passphrase, slowly. It
holds what is needed to restore without the key of this machine, which doesn't open it. The passphrase comes from --passphrase-file, from
POSTROOM_BACKUP_PASSPHRASE, or is asked for on the terminal; whoever loses it has lost the back-up.

Exit codes: 0 done, 1 usage, 3–13 as serving, 15 the running Postroom can't be asked.";

const RESTORE_HELP: &str = "The whole back-up is checked before anything is touched. Postroom must not run meanwhile. The passphrase comes from
--passphrase-file, from POSTROOM_BACKUP_PASSPHRASE, or is asked for on the terminal. The secrets are sealed with the key of this machine,
which is made if it is missing.

Exit codes: 0 done, 1 usage, 3–13 as serving, 8 also for a back-up of a newer Postroom, 18 there are data already, 19 not a back-up or
damaged, 20 the passphrase is missing or wrong.";

#[derive(Debug, Args)]
struct BackupArgs {
    /// The back-up; an older back-up of that name is replaced
    file: PathBuf,
    /// Leaves out passwords, client certificates and keys; the file is not encrypted then
    #[arg(long, env = "POSTROOM_WITHOUT_SECRETS", value_parser = BoolishValueParser::new())]
    without_secrets: bool,
    /// A file whose first line is the passphrase
    #[arg(long, env = "POSTROOM_PASSPHRASE_FILE", value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct RestoreArgs {
    /// The back-up
    file: PathBuf,
    /// Moves the database that is there aside
    #[arg(long, env = "POSTROOM_OVERWRITE", value_parser = BoolishValueParser::new())]
    overwrite: bool,
    /// A file whose first line is the passphrase
    #[arg(long, env = "POSTROOM_PASSPHRASE_FILE", value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
}

const EXPORT_HELP: &str =
    "The file is readable by its owner only. With --env each secret is named by an environment variable, such as
POSTROOM_SECRET_MAIL_PASSWORD, from which postroom import reads it again.

Exit codes: 0 done, 1 usage, 3–13 as serving, 15 the running Postroom can't be asked.";

#[derive(Debug, Args)]
struct ExportArgs {
    /// The file; an older export of that name is replaced. Without it, standard output
    file: Option<PathBuf>,
    /// Names environment variables in the place of secrets
    #[arg(long, env = "POSTROOM_EXPORT_ENV", value_parser = BoolishValueParser::new())]
    env: bool,
    #[command(flatten)]
    data: DataArgs,
}

const IMPORT_HELP: &str = "A server of the same name is changed, any other is added; all of them or none. What the file doesn't say stays as it is, or
takes its default. Passwords may be in it as {\"value\": …}, or as {\"env\": NAME} where NAME begins with POSTROOM_SECRET_: it is read from this
command's own environment. Without --yes it asks, and where nobody can be asked it changes nothing.

Exit codes: 0 done or told, 1 usage, 3–13 as serving, 15 the running Postroom can't be asked, 22 the file can't be taken in as it is.";

#[derive(Debug, Args)]
struct ImportArgs {
    /// The file; - reads standard input
    file: PathBuf,
    /// Only tells what would be done
    #[arg(long, env = "POSTROOM_DRY_RUN", value_parser = BoolishValueParser::new())]
    dry_run: bool,
    /// Asks nothing
    #[arg(long, env = "POSTROOM_YES", value_parser = BoolishValueParser::new())]
    yes: bool,
    #[command(flatten)]
    data: DataArgs,
}

const VERIFY_HELP: &str =
    "Each line of the activity covers the one before by its hash. Note the head that is printed elsewhere: with --head a later run
proves that everything up to there is still as it was.

Exit codes: 0 unbroken, 1 usage, 3–13 as serving, 15 the running Postroom can't be asked, 21 broken or rewritten.";

#[derive(Debug, Args)]
struct VerifyActivityArgs {
    /// A head that was printed earlier
    #[arg(long, env = "POSTROOM_HEAD", value_name = "NUMBER:HASH")]
    head: Option<String>,
    /// Prints a JSON object
    #[arg(long, env = "POSTROOM_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct AddressArgs {
    /// Also accepts slips that occur in real mail
    #[arg(long, env = "POSTROOM_LENIENT", value_parser = BoolishValueParser::new())]
    lenient: bool,
    /// Each line is a JSON string
    #[arg(long, env = "POSTROOM_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    hardening::begin();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::run(&args),
        Command::SetupLink(args) => user::setup_link(&args),
        Command::User(args) => user::run(&args.command),
        Command::SendTest(args) => send_test::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Address(args) => address::run(&args),
        Command::RotateKey(args) => rotate_key::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::VerifyActivity(args) => verify_activity::run(&args),
    }
}

/// Says why nothing was done, in one sentence.
fn fail(sentence: &str, code: u8) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "postroom: {sentence}");
    ExitCode::from(code)
}

/// Ready on Ctrl-C or SIGTERM.
fn end_signal() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_may_take_is_a_size_and_a_bad_one_names_its_option() {
        let limits = |args: &[&str]| Cli::try_parse_from([&["postroom"], args].concat()).unwrap().serve.attachments.limits();
        assert_eq!(limits(&[]), Ok(Limits::default()));
        let small = limits(&["--attachments-quota", "500 MB", "--attachments-reserve", "0"]);
        assert_eq!(small, Ok(Limits { quota: 500 << 20, reserve: 0 }));
        for (option, text) in [("--attachments-quota", "much"), ("--attachments-reserve", "2000 GB"), ("--attachments-quota", "")] {
            let sentence = limits(&[option, text]).unwrap_err();
            assert!(sentence.starts_with(option) && sentence.contains(text), "{sentence}");
        }
    }

    #[test]
    fn networks_are_options_of_serving_and_testing_and_a_bad_one_names_its_option() {
        let serve = Cli::try_parse_from(["postroom", "--deny-network", "10.0.0.0/8", "--deny-network", "fd00::/8,::1"]).unwrap();
        assert_eq!(serve.serve.networks.deny, ["10.0.0.0/8", "fd00::/8", "::1"]);
        assert!(serve.serve.networks.policy().is_ok());
        let test = Cli::try_parse_from(["postroom", "send-test", "--allow-network", "169.254.0.0/33"]).unwrap();
        let Some(Command::SendTest(test)) = test.command else { panic!("another command") };
        let sentence = test.networks.policy().unwrap_err();
        assert!(sentence.starts_with("--allow-network") && sentence.contains("169.254.0.0/33"), "{sentence}");
    }
}
