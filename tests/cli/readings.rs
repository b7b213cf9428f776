//! The commands that evaluate a flag, on random files: they agree with each other and with the library.

use std::fs;

use flagstaff::{Context, Flags, Memory, cli::ExitCode, definition::FlagsFile};
use serde_json::Value;

use crate::{
    command::{flagstaff, ran},
    random_files::{FLAGS, file},
};

/// Returns a random file, which is always the same for a seed.
fn chosen(seed: u32) -> String {
    let mixed = |n: u32| (seed.wrapping_mul(0x9e37_79b9) ^ n).wrapping_mul(0x85eb_ca6b) >> 15;
    // A draw by request would have another outcome in each command.
    file(&(0..200).map(|n| mixed(n) as u8).collect::<Vec<_>>()).replace("\"request\"", "\"plan\"")
}

#[tokio::test]
async fn eval_is_on_and_explain_say_what_the_library_says() {
    let folder = tempfile::tempdir().unwrap();
    let ana = Context::user("ana").attribute("plan", "gold").attribute("seats", "12");
    let mut asked = 0;

    for seed in 0..6 {
        let text = chosen(seed);
        fs::write(folder.path().join("flags.toml"), &text).unwrap();
        let file = FlagsFile::parse("flags.toml", &text);
        let has_staging = file.environments().any(|name| name == "staging");
        let environment = (has_staging && seed % 2 == 1).then_some("staging");
        let file = match environment {
            Some(name) => file.in_environment(name).unwrap(),
            None => file,
        };
        let defined = file.flags().iter();
        let memory = defined.fold(Memory::new(), |all, (key, it)| all.with(key, it.clone()));
        let flags = Flags::builder().source(memory).start().await.unwrap();
        let run = |arguments: &[&str]| {
            let chosen = environment.map(|name| ["--environment", name]);
            let chosen = chosen.iter().flatten().copied();
            let context = ["--user", "ana", "--set", "plan=gold", "--set", "seats=\"12\""];
            let arguments: Vec<_> =
                arguments.iter().copied().chain(context).chain(chosen).collect();
            ran(flagstaff(&arguments).current_dir(&folder))
        };

        for key in FLAGS.into_iter().filter(|key| file.flags().contains_key(*key)) {
            let [eval, explained] = ["eval", "explain"].map(|command| -> Value {
                let ran = run(&[command, key, "-o", "json"]);
                serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
            });
            let eval = &eval["flags"][0];
            let is_on = run(&["is-on", key]).code == ExitCode::Done;

            let answer = flags.value(key, &ana, Value::Null);
            assert_eq!(
                (&eval["value"], eval["reason"].as_str()),
                (&answer.value, Some(answer.reason.as_str())),
                "{key}: {text}"
            );
            assert_eq!(eval["variant"].as_str(), answer.variant, "{key}: {text}");
            assert_eq!(is_on, flags.is_enabled(key, &ana), "{key}: {text}");
            assert_eq!(explained["answer"]["value"], is_on, "{key}: {text}");
            if let Some(served) = explained.get("served") {
                assert_eq!(served["value"], eval["value"], "{key}: {text}");
            }
            asked += 1;
        }
    }

    assert!(asked > 8, "{asked}");
}
