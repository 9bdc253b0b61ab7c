//! The command line: `serve`, `send-test` and `address`.

mod address;
mod send_test;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Serves the web app and the API (the default command)
    Serve(ServeArgs),
    /// Tries one SMTP server, without a server running and without a database
    SendTest(SendTestArgs),
    /// Reads address lists, a line each, and says what they mean
    Address(AddressArgs),
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Where to listen; only this machine's own (loopback) addresses
    #[arg(long, env = "POSTROOM_ADDR", default_value = "127.0.0.1:3000", value_name = "IP:PORT")]
    addr: String,
    /// Where everything is kept; made if it is missing
    #[arg(long, env = "POSTROOM_DATA_DIR", default_value = "./data", value_name = "DIR")]
    data_dir: PathBuf,
    #[arg(
        help = "The address under which people reach it, if that is another one, such as http://localhost:8080",
        long,
        env = "POSTROOM_PUBLIC_URL",
        value_name = "URL"
    )]
    public_url: Option<String>,
}

#[derive(Debug, Args)]
struct SendTestArgs {
    /// The JSON of one SMTP server; - reads standard input
    #[arg(long, env = "POSTROOM_CONFIG", value_name = "FILE", default_value = "", hide_default_value = true)]
    config: String,
    /// The sender; without it, the entry's own sender
    #[arg(long, env = "POSTROOM_FROM", value_name = "ADDR", default_value = "")]
    from: String,
    /// The recipients, separated by commas
    #[arg(long, env = "POSTROOM_TO", value_name = "ADDR", default_value = "")]
    to: String,
    /// Sends nothing: ends after the recipients were accepted, or after signing in where no addresses are given
    #[arg(long, env = "POSTROOM_CHECK_ONLY", value_parser = BoolishValueParser::new())]
    check_only: bool,
    /// How events are printed
    #[arg(long, env = "POSTROOM_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Authorities to trust besides the system's for this run (PEM)
    #[arg(long, env = "POSTROOM_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// A JSON object a line
    Ndjson,
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
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::run(&args),
        Command::SendTest(args) => send_test::run(&args),
        Command::Address(args) => address::run(&args),
    }
}

/// Says why nothing was done, in one sentence.
fn fail(sentence: &str, code: u8) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "postroom: {sentence}");
    ExitCode::from(code)
}
