use clap::Args;
use flagstaff::{cli::ExitCode, source::WritableBackend};
use serde_json::json;

use crate::{
    failure::Failure,
    output::{Listing, Row},
    session::Session,
    time,
};

/// List the instances that follow the store, and what each has seen
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 1 if instances have different flag files, or have not seen the latest
change.

Examples:
  flagstaff instances
  flagstaff instances -o json")]
pub(crate) struct Instances {}

impl Instances {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let redis = session.place.needed_redis()?.handle();
        let fleet = redis.fleet().await?;
        let latest = redis.history(None, 50).await?.into_iter().find_map(|change| change.revision);

        let lags = |revision: Option<u64>| revision < latest;
        let for_people = session.output.is_for_people();
        let rows = fleet.instances.iter().map(|instance| {
            let revision = instance.revision.map(|it| it.to_string()).unwrap_or_default();
            let age = match for_people {
                true => format!("{} ago", time::long(instance.age)),
                false => instance.age.as_secs().to_string(),
            };
            let state = if lags(instance.revision) { "behind" } else { "ready" };
            Row {
                cells: vec![
                    instance.name.clone(),
                    state.to_owned(),
                    revision,
                    instance.file.clone().unwrap_or_default(),
                    age,
                ],
                json: json!({
                    "instance": instance.name,
                    "behind": lags(instance.revision),
                    "revision": instance.revision,
                    "generation": instance.generation,
                    "file": instance.file,
                    "age": instance.age.as_secs(),
                }),
            }
        });
        session.output.listing(Listing {
            name: "instances",
            columns: &["INSTANCE", "STATE", "REVISION", "FILE", "SEEN"],
            rows: rows.collect(),
            empty: "(no instances)",
        })?;
        if fleet.is_split() {
            let files = fleet.files().len();
            session.output.warning(format!(
                "the instances have {files} different flag files, as they have during a deployment"
            ));
        }
        let all_well =
            !fleet.is_split() && !fleet.instances.iter().any(|instance| lags(instance.revision));
        Ok(if all_well { ExitCode::Done } else { ExitCode::No })
    }
}
