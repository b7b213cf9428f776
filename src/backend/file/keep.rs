//! The last good definitions in a file, for a start at which some flags are wrong.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use crate::{
    definition::{UnknownKeys, from_json_object, to_json},
    foreign::warn,
    model::Definitions,
    read::{all, open, too_large},
    replace::{Readers, replace},
};

/// The member that has the definitions.
const FLAGS: &str = "flags";

/// The member with the flags that the environment forces on, if that is more than their settings.
const FORCED_ON: &str = "forcedOn";

/// The maximum number of kept bytes for each byte of the flag file. Short forms take up to five
/// times as many bytes in JSON.
const PER_BYTE: u64 = 8;
/// The member with the environment of the definitions, if one is chosen.
const ENVIRONMENT: &str = "environment";

/// Keeps definitions at a path.
#[derive(Debug)]
pub(super) struct Keep {
    queue: Arc<Queue>,
    /// The definitions in the file, if they are known.
    saved: Option<Definitions>,
}

/// The definitions to be written. A disk may hang, and a change that is due must not wait for it.
#[derive(Debug)]
struct Queue {
    path: PathBuf,
    /// The maximum number of bytes that are written, so that the file can be read again.
    max_len: u64,
    environment: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: Option<Definitions>,
    is_writing: bool,
}

impl Keep {
    /// Creates a keeper for the definitions of a flag file of at most `max_len` bytes in an
    /// environment.
    pub(super) fn new(path: PathBuf, environment: Option<String>, max_len: u64) -> Self {
        let max_len = max_len.saturating_mul(PER_BYTE);
        let queue = Queue { path, environment, max_len, state: Mutex::default() };
        Self { queue: queue.into(), saved: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.queue.path
    }

    /// Reads the kept definitions. If they cannot be read, logs that and returns none.
    pub(super) async fn load(&mut self) -> Definitions {
        let queue = Arc::clone(&self.queue);
        let load = move || load(&queue.path, queue.environment.as_deref(), queue.max_len);
        let loaded = spawn_blocking(load).await;
        match loaded.unwrap_or_else(|error| Err(error.into())) {
            Ok(flags) => {
                self.saved = Some(flags.clone());
                flags
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Definitions::new(),
            Err(error) => {
                warn!(path = %self.path().display(), %error, "cannot read the kept flags, ignoring them");
                Definitions::new()
            }
        }
    }

    /// Writes these definitions soon, unless they were the last ones to be saved. A failure is
    /// logged.
    pub(super) fn save(&mut self, flags: &Definitions) {
        if self.saved.as_ref() == Some(flags) {
            return;
        }
        self.saved = Some(flags.clone());
        let mut state = self.queue.state();
        state.next = Some(flags.clone());
        if !std::mem::replace(&mut state.is_writing, true) {
            let queue = Arc::clone(&self.queue);
            spawn_blocking(move || queue.write());
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes until no definitions are left to write.
    fn write(&self) {
        loop {
            let next = {
                let mut state = self.state();
                let next = state.next.take();
                state.is_writing = next.is_some();
                next
            };
            let Some(flags) = next else { return };
            let environment = self.environment.as_deref();
            if let Err(error) = save(&self.path, environment, &flags, self.max_len) {
                warn!(path = %self.path.display(), %error, "cannot keep the flags for the next start");
            }
        }
    }
}

fn save(
    path: &Path,
    environment: Option<&str>,
    flags: &Definitions,
    max_len: u64,
) -> io::Result<()> {
    let forced = flags.iter().filter(|(_, flag)| flag.is_forced_on());
    let forced: Vec<_> = forced.map(|(key, _)| key.to_owned()).collect();
    let flags = flags.iter().map(|(key, flag)| (key.to_owned(), Value::Object(to_json(flag))));
    let mut text = json!({ FLAGS: flags.collect::<Map<_, _>>() });
    if !forced.is_empty() {
        text[FORCED_ON] = forced.into();
    }
    if let Some(environment) = environment {
        text[ENVIRONMENT] = environment.into();
    }
    let text = format!("{text}\n");
    // Segments are expanded, so a short file may define more than can be read again.
    if u64::try_from(text.len()).is_ok_and(|len| len > max_len) {
        return Err(too_large(max_len));
    }
    replace(path, text.as_bytes(), Readers::Owner)
}

fn load(path: &Path, environment: Option<&str>, max_len: u64) -> io::Result<Definitions> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let kept: Value = serde_json::from_slice(&all(open(path)?, max_len)?)?;
    // A flag has another definition in another environment.
    if kept[ENVIRONMENT].as_str() != environment {
        return Err(invalid("they are of another environment".to_owned()));
    }
    let Some(flags) = kept[FLAGS].as_object() else {
        return Err(invalid(format!("it has no `{FLAGS}`")));
    };
    let forced: HashSet<_> =
        kept[FORCED_ON].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let flags = flags.iter().map(|(key, flag)| {
        let flag =
            flag.as_object().ok_or_else(|| invalid(format!("flag `{key}` is not an object")))?;
        let flag = from_json_object(key, flag, UnknownKeys::Reject);
        let mut flag = flag.map_err(|error| invalid(error.to_string()))?;
        if forced.contains(key.as_str()) {
            flag.set_forced_on();
        }
        Ok((key.as_str(), flag))
    });
    flags.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        definition::FlagsFile,
        model::{Definition, Percentage},
        read::MAX_LEN,
    };

    fn flags() -> Definitions {
        let few =
            Definition::new().percentage(Percentage::whole(10).unwrap()).denied_users(["eve"]);
        [("a", few), ("\u{e4} b", Definition::new().enabled(false))].into_iter().collect()
    }

    #[test]
    fn what_is_kept_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept.json");

        save(&path, None, &flags(), MAX_LEN).unwrap();

        assert_eq!(load(&path, None, MAX_LEN).unwrap(), flags());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    /// A flag without a unit to draw by is on without a variant, and no setting expresses that.
    #[test]
    fn a_flag_that_its_environment_forces_on_comes_back_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept.json");
        let text =
            "[flags.a]\nvariants = { control = 1, b = 1 }\n[environments.staging]\na = true\n";
        let file = FlagsFile::parse("flags.toml", text).in_environment("staging").unwrap();
        assert!(file.flags()["a"].is_forced_on());

        save(&path, Some("staging"), file.flags(), MAX_LEN).unwrap();

        assert_eq!(load(&path, Some("staging"), MAX_LEN).unwrap(), *file.flags());
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept.json");
        save(&path, None, &flags(), MAX_LEN).unwrap();
        let len = std::fs::metadata(&path).unwrap().len();
        save(&path, None, &Definitions::new(), MAX_LEN).unwrap();

        let error = save(&path, None, &flags(), len - 1).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(load(&path, None, MAX_LEN).unwrap(), Definitions::new());
        save(&path, None, &flags(), len).unwrap();
        assert_eq!(load(&path, None, len).unwrap(), flags());
    }

    #[test]
    fn what_was_kept_in_another_environment_does_not_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept.json");

        save(&path, Some("staging"), &flags(), MAX_LEN).unwrap();

        assert_eq!(load(&path, Some("staging"), MAX_LEN).unwrap(), flags());
        for other in [None, Some("production")] {
            let error = load(&path, other, MAX_LEN).unwrap_err().to_string();
            assert_eq!(error, "they are of another environment");
        }
    }

    #[test]
    fn what_was_not_kept_by_this_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept.json");

        for garbage in ["", "[]", "{}", r#"{"flags": {"a": 1}}"#, r#"{"flags": {"a": {"x": 1}}}"#] {
            std::fs::write(&path, garbage).unwrap();
            assert_ne!(
                load(&path, None, MAX_LEN).unwrap_err().kind(),
                io::ErrorKind::NotFound,
                "{garbage}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it_and_a_link_in_its_place_leads_nowhere() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("kept.json"), directory.path().join("target"));
        std::fs::write(&target, "mine").unwrap();
        symlink(&target, &path).unwrap();

        save(&path, None, &flags(), MAX_LEN).unwrap();

        assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine");
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}
