//! `cargo xtask`: from packages and zone images to signed update repositories.
//!
//! One file per subcommand in [`commands`]; each reads its flags and the environment, calls a
//! stage, prints through the one [`printer`], and says with which [`exit_status`] to leave.

mod bench;
mod commands;
mod environment;
mod exit_status;
mod failure;
mod illumos;
mod network;
mod printer;
mod quantity;
mod record;
mod releng;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    let arguments = commands::Arguments::parse();
    let printer = printer::Printer::new();
    let status = match arguments.run(&printer) {
        Ok(status) => status,
        Err(failure) => {
            printer.failure(&failure);
            failure.status
        }
    };
    status.into()
}
