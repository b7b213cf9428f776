use clap::{Args, ValueEnum};
use flagstaff::{
    cli::ExitCode,
    definition::{json_schema, places},
};

use crate::{failure::Failure, session::Session};

/// Print the JSON Schema of flags.toml or flagstaff.toml
#[derive(Debug, Args)]
#[command(after_help = "\
Editors with taplo or Even Better TOML complete and check a file whose first
line names the schema: #:schema ./flags.schema.json

Examples:
  flagstaff schema > flags.schema.json
  flagstaff schema flagstaff.toml > flagstaff.schema.json")]
pub(crate) struct Schema {
    /// File that the schema is for
    #[arg(value_enum, value_name = "FILE", default_value = "flags.toml")]
    of: File,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum File {
    #[value(name = "flags.toml")]
    Flags,
    #[value(name = "flagstaff.toml")]
    Places,
}

impl Schema {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let schema = match self.of {
            File::Flags => json_schema(),
            File::Places => places::json_schema(),
        };
        session.output.write(&format!("{schema:#}\n"))?;
        Ok(ExitCode::Done)
    }
}
