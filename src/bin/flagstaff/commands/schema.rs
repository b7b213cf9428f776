use clap::Args;
use flagstaff::{cli::ExitCode, definition::json_schema};

use crate::{failure::Failure, session::Session};

/// Print the JSON Schema of flags.toml, for editors
#[derive(Debug, Args)]
#[command(after_help = "\
Editors with taplo or Even Better TOML complete and check a file whose first
line names the schema: #:schema ./flags.schema.json

Examples:
  flagstaff schema > flags.schema.json")]
pub(crate) struct Schema;

impl Schema {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        session.output.write(&format!("{:#}\n", json_schema()))?;
        Ok(ExitCode::Done)
    }
}
