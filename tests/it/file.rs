//! flags.toml, saved by real tools.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use flagstaff::{
    Context, File, Flags,
    answer::{ErrorCode, FlagState},
    definition::Diagnostics,
    event::{Event, Events},
    source::Status,
};
use tempfile::TempDir;

use crate::support::{BOUND, next};

/// Flags that follow a file in a directory of its own.
struct Subject {
    directory: TempDir,
    flags: Flags,
    events: Events,
}

/// Returns a file with many flags that are all `on`, so that a half-written file is detected.
fn text(on: bool) -> String {
    let lines = (0..200).map(|n| format!("flag_{n} = {on}\n"));
    format!("[flags]\nmarker = {on}\n{}last = {on}\n", lines.collect::<String>())
}

async fn start(text: &str) -> Subject {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, text).unwrap();
    follow(directory, &path).await
}

async fn follow(directory: TempDir, path: &Path) -> Subject {
    let flags = Flags::builder().source(File::open(path).unwrap()).start().await.unwrap();
    let events = flags.events();
    Subject { directory, flags, events }
}

impl Subject {
    fn path(&self) -> PathBuf {
        self.directory.path().join("flags.toml")
    }

    /// Runs a tool in the directory.
    fn run(&self, script: &str) {
        let mut shell = self.shell(script);
        let status = shell.status().unwrap();
        assert!(status.success(), "{script}");
    }

    fn shell(&self, script: &str) -> Command {
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", script]).current_dir(self.directory.path());
        shell.stdin(Stdio::null()).stdout(Stdio::null());
        shell.env("HOME", self.directory.path()).env("GIT_CONFIG_GLOBAL", "/dev/null");
        shell
    }

    /// Waits until all flags of [`text`] are `on`, and checks that no mixed state was published
    /// in between.
    async fn becomes(&mut self, on: bool) {
        let wanted = if on { FlagState::On } else { FlagState::Off };
        match next(&mut self.events).await {
            Event::Changed { changes, .. } => {
                assert_eq!(changes.len(), 202, "torn");
                for change in &*changes {
                    assert_eq!(change.after, wanted, "{change}");
                }
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(self.flags.health().sources[0].flags, 202);
    }

    /// Waits as [`becomes`](Self::becomes) does, but allows failures: the file was missing or unreadable for a while.
    async fn becomes_past_failures(&mut self, on: bool) {
        loop {
            match tokio::time::timeout(BOUND, self.events.next()).await.unwrap().unwrap() {
                Event::Failed { .. } | Event::Recovered { .. } => {
                    assert_eq!(self.flags.health().sources[0].flags, 202);
                }
                Event::Changed { changes, .. } => {
                    assert_eq!(changes.len(), 202, "torn");
                    let marker = self.flags.is_enabled("marker", &Context::anonymous());
                    assert_eq!(marker, on);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Checks one way of saving, twice: a broken watch often shows at the second save only.
async fn saved_by(save: impl Fn(&Subject, &str)) {
    let mut subject = start(&text(false)).await;
    for on in [true, false] {
        fs::write(subject.directory.path().join("next"), text(on)).unwrap();
        save(&subject, if on { "true" } else { "false" });
        subject.becomes_past_failures(on).await;
    }
}

#[tokio::test]
async fn truncate_and_write_is_followed() {
    let mut subject = start(&text(false)).await;

    fs::write(subject.path(), text(true)).unwrap();

    subject.becomes(true).await;
}

#[tokio::test]
async fn a_slow_writer_is_waited_for() {
    let mut subject = start(&text(false)).await;
    let path = subject.path();

    let writer = tokio::task::spawn_blocking(move || {
        let mut file = fs::File::create(path).unwrap();
        for line in text(true).lines() {
            writeln!(file, "{line}").unwrap();
            file.sync_data().unwrap();
        }
    });

    subject.becomes(true).await;
    writer.await.unwrap();
}

#[tokio::test]
async fn a_loop_of_appends_never_takes_a_flag_away() {
    let mut subject = start(&text(false)).await;
    let script = "cp flags.toml old; : > flags.toml; \
                  while read -r line; do echo \"${line/false/true}\" >> flags.toml; done < old";

    let mut shell = subject.shell(script);
    let status = tokio::task::spawn_blocking(move || shell.status().unwrap());

    // A busy machine may read the file in parts, but no part may remove a flag.
    let mut on = 0;
    while on < 202 {
        match next(&mut subject.events).await {
            Event::Failed { .. } | Event::Recovered { .. } => {}
            Event::Changed { changes, .. } => {
                assert!(changes.iter().all(|change| change.after == FlagState::On), "torn");
                on += changes.len();
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(status.await.unwrap().success());
}

#[tokio::test]
async fn appends_with_pauses_change_each_flag_once_and_take_none_away() {
    let mut subject = start("[flags]\na = false\nb = false\nc = false\nd = false\n").await;
    // The pauses of the tool are longer than the quiet time and shorter than the hold.
    let script = "echo '[flags]' > flags.toml; \
                  for f in a b c d; do sleep 0.12; echo \"$f = true\" >> flags.toml; done";

    let mut shell = subject.shell(script);
    let status = tokio::task::spawn_blocking(move || shell.status().unwrap());

    let mut texts = Vec::new();
    while texts.len() < 4 {
        let Event::Changed { changes, .. } = next(&mut subject.events).await else {
            panic!("not a change")
        };
        texts.extend(changes.iter().map(ToString::to_string));
    }
    assert!(status.await.unwrap().success());
    assert_eq!(texts, ["a: off -> on", "b: off -> on", "c: off -> on", "d: off -> on"]);
}

#[tokio::test]
async fn sed_in_place_is_followed() {
    saved_by(|subject, on| {
        subject.run(&format!("sed -i 's/= .*/= {on}/' flags.toml"));
    })
    .await;
}

#[tokio::test]
async fn vim_is_followed() {
    saved_by(|subject, on| {
        subject.run(&format!("vim -es -u NONE -c '%s/= .*/= {on}/' -c 'wq' flags.toml"));
    })
    .await;
}

#[tokio::test]
async fn mv_over_is_followed() {
    saved_by(|subject, _| subject.run("mv next flags.toml")).await;
}

#[tokio::test]
async fn cp_and_install_are_followed() {
    saved_by(|subject, _| subject.run("cp next flags.toml")).await;
    saved_by(|subject, _| subject.run("install -m 644 next flags.toml")).await;
}

#[tokio::test]
async fn git_checkout_is_followed() {
    let mut subject = start(&text(false)).await;
    subject.run(
        "git init -q -b off . && git config user.name t && git config user.email t@example.com \
         && git add flags.toml && git commit -qm off && git checkout -qb on \
         && sed -i 's/= .*/= true/' flags.toml",
    );
    subject.becomes(true).await;
    subject.run("git commit -qam on");

    for (branch, on) in [("off", false), ("on", true), ("off", false)] {
        subject.run(&format!("git checkout -q {branch}"));
        subject.becomes_past_failures(on).await;
    }
}

#[tokio::test]
async fn a_symlink_to_another_file_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("off.toml"), text(false)).unwrap();
    fs::write(directory.path().join("on.toml"), text(true)).unwrap();
    let path = directory.path().join("flags.toml");
    std::os::unix::fs::symlink("off.toml", &path).unwrap();
    let mut subject = follow(directory, &path).await;

    subject.run("ln -sfn on.toml flags.toml");
    subject.becomes_past_failures(true).await;

    subject.run("ln -s off.toml next && mv -T next flags.toml");
    subject.becomes(false).await;

    subject.run("sed 's/= .*/= true/' off.toml > new && mv new off.toml");
    subject.becomes(true).await;
}

#[tokio::test]
async fn a_kubernetes_volume_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for (name, on) in [("..v1", false), ("..v2", true), ("..v3", false)] {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("flags.toml"), text(on)).unwrap();
    }
    std::os::unix::fs::symlink("..v1", root.join("..data")).unwrap();
    let path = root.join("flags.toml");
    std::os::unix::fs::symlink("..data/flags.toml", &path).unwrap();
    let mut subject = follow(directory, &path).await;

    subject.run("ln -s ..v2 ..data_tmp && mv -T ..data_tmp ..data && rm -r ..v1");
    subject.becomes(true).await;

    subject.run("ln -s ..v3 ..data_tmp && mv -T ..data_tmp ..data && rm -r ..v2");
    subject.becomes(false).await;
}

#[tokio::test]
async fn a_file_that_is_deleted_keeps_its_flags_until_it_is_back() {
    let mut subject = start(&text(true)).await;

    fs::remove_file(subject.path()).unwrap();

    assert!(matches!(next(&mut subject.events).await, Event::Failed { .. }));
    assert!(subject.flags.is_enabled("marker", &Context::anonymous()));
    assert_eq!(subject.flags.health().sources[0].status, Status::Error);

    fs::write(subject.path(), text(false)).unwrap();

    subject.becomes_past_failures(false).await;
    assert!(subject.flags.health().is_ready());
}

#[tokio::test]
async fn a_parent_directory_that_is_replaced_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    for (name, on) in [("app", false), ("app2", true), ("app3", false)] {
        fs::create_dir(directory.path().join(name)).unwrap();
        fs::write(directory.path().join(name).join("flags.toml"), text(on)).unwrap();
    }
    let path = directory.path().join("app/flags.toml");
    let mut subject = follow(directory, &path).await;

    subject.run("mv app gone && mv app2 app");
    subject.becomes_past_failures(true).await;

    subject.run("mv app gone2 && mv app3 app");
    subject.becomes_past_failures(false).await;
}

#[tokio::test]
async fn a_thousand_rapid_edits_end_on_the_last() {
    let subject = start("[flags]\nedit = \"0%\"\n").await;
    let mut edit = subject.flags.watch("edit");
    let path = subject.path();

    let writer = tokio::task::spawn_blocking(move || {
        for n in 1..=1_000 {
            let percent = f64::from(n) / 20.0;
            fs::write(&path, format!("[flags]\nedit = \"{percent}%\"\n")).unwrap();
        }
    });

    let last = edit.wait_for(|state| state.to_string() == "50%");
    tokio::time::timeout(BOUND, last).await.unwrap().unwrap();
    writer.await.unwrap();
    assert_eq!(subject.flags.watch("edit").borrow().to_string(), "50%");
}

#[tokio::test]
async fn a_mistake_changes_nothing_and_is_shown_with_its_place() {
    let mut subject = start("[flags]\na = true\n").await;

    fs::write(subject.path(), "[flags]\na = tru\n").unwrap();

    let Event::Failed { error, .. } = next(&mut subject.events).await else {
        panic!("not a failure")
    };
    assert!(error.to_string().contains("flags.toml:2:5"), "{error}");
    assert!(error.downcast_ref::<Diagnostics>().is_some());
    assert!(subject.flags.is_enabled("a", &Context::anonymous()));
    assert_eq!(subject.flags.health().sources[0].status, Status::Error);

    fs::write(subject.path(), "[flags]\na = false\n").unwrap();

    assert!(matches!(next(&mut subject.events).await, Event::Recovered { .. }));
    assert!(matches!(next(&mut subject.events).await, Event::Changed { .. }));
}

#[tokio::test]
async fn one_bad_flag_keeps_its_definition_while_the_others_update() {
    let mut subject = start("[flags]\ngood = false\nbad = true\n").await;

    fs::write(subject.path(), "[flags]\ngood = true\nbad = 25\n").unwrap();

    let Event::Changed { changes, .. } = next(&mut subject.events).await else {
        panic!("not a change")
    };
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].to_string(), "good: off -> on");
    assert!(matches!(next(&mut subject.events).await, Event::Failed { .. }));
    assert!(subject.flags.is_enabled("bad", &Context::anonymous()));
}

#[tokio::test]
async fn an_emptied_file_and_one_without_its_table_change_nothing() {
    let mut subject = start("[flags]\na = true\n").await;

    for text in ["", "   \n", "a = false\n", "# nothing\n"] {
        fs::write(subject.path(), text).unwrap();
        assert!(matches!(next(&mut subject.events).await, Event::Failed { .. }), "{text:?}");
        assert!(subject.flags.is_enabled("a", &Context::anonymous()));
    }
}

#[tokio::test]
async fn a_file_that_is_not_utf8_is_reported_with_its_line() {
    let mut subject = start("[flags]\na = true\n").await;

    fs::write(subject.path(), b"[flags]\n# caf\xe9\na = false\n").unwrap();

    let Event::Failed { error, .. } = next(&mut subject.events).await else {
        panic!("not a failure")
    };
    assert!(error.to_string().contains("not UTF-8 in line 2"), "{error}");
}

#[tokio::test]
async fn a_removed_flag_goes_once_the_removal_stands() {
    let mut subject = start("[flags]\na = true\nb = true\n").await;

    fs::write(subject.path(), "[flags]\na = true\n").unwrap();

    let Event::Changed { changes, .. } = next(&mut subject.events).await else {
        panic!("not a change")
    };
    assert_eq!(changes[0].to_string(), "b: on -> unknown");
}

/// Returns the lines of the next change.
async fn told(subject: &mut Subject) -> Vec<String> {
    match next(&mut subject.events).await {
        Event::Changed { changes, .. } => changes.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_kill_that_is_saved_with_a_removal_does_not_wait_for_it() {
    let mut subject =
        start("[flags]\ngone = true\nkill = true\nquarter = \"25%\"\nz = true\n").await;

    fs::write(subject.path(), "[flags]\nkill = false\nquarter = false\nz = true\n").unwrap();

    assert_eq!(told(&mut subject).await, ["kill: on -> off", "quarter: 25% -> off"]);
    assert!(subject.flags.is_enabled("gone", &Context::anonymous()));
    assert_eq!(told(&mut subject).await, ["gone: on -> unknown"]);
    assert!(subject.flags.health().is_ready());
}

#[tokio::test]
async fn a_removal_and_a_kill_are_in_force_however_often_the_file_is_saved() {
    let mut subject = start("[flags]\ngone = true\nkill = true\nz = true\n").await;
    let save = "while [ ! -e stop ]; do
        i=$((${i:-0} + 1)); printf '[flags]\\nkill = false\\nz = true # %s\\n' $i > new; mv new flags.toml; sleep 0.3
    done";
    let mut editor = subject.shell(save).spawn().unwrap();

    assert_eq!(told(&mut subject).await, ["kill: on -> off"]);
    assert_eq!(told(&mut subject).await, ["gone: on -> unknown"]);

    subject.run("touch stop");
    editor.wait().unwrap();
}

#[tokio::test]
async fn a_removed_flag_keeps_its_location_until_the_removal_applies() {
    let mut subject = start("[flags]\ngone = true\nkill = true\n").await;

    fs::write(subject.path(), "[flags]\nkill = false\n").unwrap();
    told(&mut subject).await;

    let explanation = subject.flags.explain("gone", &Context::anonymous()).to_string();
    assert!(explanation.contains("as it was before flag `gone` was removed"), "{explanation}");
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_not_a_file_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("flags.toml");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());

    for path in [&*fifo, Path::new("/dev/zero"), directory.path()] {
        let error = File::open(path).unwrap_err();
        assert_eq!(error.path(), path);

        let error = Flags::builder().source(File::optional(path)).start().await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap();
        assert!(cause.to_string().starts_with("cannot open the flag file"), "{cause}");
    }
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\na = true\n").unwrap();

    let small = File::open(&path).unwrap().max_len(10);
    let error = Flags::builder().source(small).start().await.unwrap_err();
    let cause = std::error::Error::source(&error).and_then(|error| error.source());
    assert_eq!(cause.map(ToString::to_string).as_deref(), Some("larger than 10 bytes"));

    let file = File::open(&path).unwrap().max_len(20);
    let flags = Flags::builder().source(file).start().await.unwrap();
    let mut events = flags.events();
    fs::write(&path, "[flags]\na = false\n# too much\n").unwrap();

    let Event::Failed { kind, .. } = next(&mut events).await else { panic!("not a failure") };
    assert_eq!(kind, "unreadable");
    assert!(flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test]
async fn a_file_that_is_there_is_waited_for_however_long_it_takes_to_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    let flags: String = (0..2_000).map(|n| format!("flag_{n} = true\n")).collect();
    fs::write(&path, format!("[flags]\n{flags}")).unwrap();

    let start = Flags::builder().source(File::open(&path).unwrap()).max_wait(Duration::ZERO);
    let flags = start.start().await.unwrap();

    assert!(flags.is_enabled("flag_1999", &Context::anonymous()));
}

/// Set for the process in which the test below runs again, since it changes the working directory.
const ELSEWHERE: &str = "FLAGSTAFF_TEST_CHANGES_DIRECTORY";

#[tokio::test]
async fn a_relative_path_is_that_of_the_directory_in_which_it_was_opened() {
    if std::env::var_os(ELSEWHERE).is_none() {
        let name = "file::a_relative_path_is_that_of_the_directory_in_which_it_was_opened";
        let test = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env(ELSEWHERE, "yes")
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&test.stdout).into_owned();
        assert!(test.status.success() && stdout.contains("1 passed"), "{stdout}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for (name, on) in [("here", true), ("there", false)] {
        fs::create_dir(directory.path().join(name)).unwrap();
        let text = format!("[flags]\na = {on}\nb = {on}\n");
        fs::write(directory.path().join(name).join("a.toml"), text).unwrap();
    }
    std::env::set_current_dir(directory.path().join("here")).unwrap();
    let (file, later) = (File::open("a.toml").unwrap(), File::optional("b.toml").keep_at("kept"));
    std::env::set_current_dir(directory.path().join("there")).unwrap();

    let flags = Flags::builder().source(later).source(file).start().await.unwrap();
    let mut b = flags.watch("b");
    fs::write(directory.path().join("here/b.toml"), "[flags]\nb = false\n").unwrap();

    assert!(flags.is_enabled("a", &Context::anonymous()));
    let off = b.wait_for(|state| *state == FlagState::Off);
    tokio::time::timeout(BOUND, off).await.unwrap().unwrap();
    let kept = async {
        while !directory.path().join("here/kept").exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, kept).await.unwrap();
}

#[tokio::test]
async fn a_strict_file_fails_the_start_with_all_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    let wrong = "[flags]\na = true\nb = 25\n[flags.c]\nonwer = \"x\"\n[flags.d]\ntests = [{ expect = false }]\n";
    fs::write(&path, wrong).unwrap();

    let file = File::open(&path).unwrap();
    let error = Flags::builder().source(file.clone().strict()).start().await.unwrap_err();

    let source = std::error::Error::source(&error).unwrap();
    let diagnostics = source.downcast_ref::<Diagnostics>().unwrap();
    let flags: Vec<_> = diagnostics.iter().filter_map(|it| it.flag.as_deref()).collect();
    assert_eq!(flags, ["b", "c", "d"]);
    // Without `strict`, the valid flags are served.
    let flags = Flags::builder().source(file).start().await.unwrap();
    assert!(flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test]
async fn a_strict_file_goes_on_with_a_mistake_that_is_made_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\na = true\n").unwrap();
    let file = File::open(&path).unwrap().strict();
    let flags = Flags::builder().source(file).start().await.unwrap();
    let mut events = flags.events();

    fs::write(&path, "[flags]\na = 1\n").unwrap();

    assert!(matches!(next(&mut events).await, Event::Failed { .. }));
    assert!(flags.is_enabled("a", &Context::anonymous()));
    assert_eq!(flags.health().sources[0].former, 1);
}

/// A directory with a flag file, and with the file that keeps its last good flags.
struct Kept {
    directory: TempDir,
}

impl Kept {
    fn new(text: &str) -> Self {
        let kept = Self { directory: tempfile::tempdir().unwrap() };
        kept.write(text);
        kept
    }

    fn write(&self, text: &str) {
        fs::write(self.directory.path().join("flags.toml"), text).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("kept.json")
    }

    async fn start(&self) -> Flags {
        let file = File::open(self.directory.path().join("flags.toml")).unwrap();
        Flags::builder().source(file.keep_at(self.path())).start().await.unwrap()
    }

    /// Waits until the kept file contains this.
    async fn has(&self, text: &str) {
        let has = || fs::read_to_string(self.path()).is_ok_and(|kept| kept.contains(text));
        let kept = async {
            while !has() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(BOUND, kept).await.expect("it is kept");
    }
}

#[tokio::test]
async fn a_kept_definition_is_in_force_for_a_flag_that_is_wrong_at_the_next_start() {
    let kept = Kept::new(
        "[flags]\ngood = true\ngone = true\n\n[flags.wrong]\nallowed_users = [\"ana\"]\npercentage = 0\n",
    );
    let flags = kept.start().await;
    kept.has("ana").await;
    drop(flags);

    kept.write("[flags]\ngood = false\nnew = 1\n\n[flags.wrong]\nonwer = \"x\"\n");
    let flags = kept.start().await;

    let (ana, bob) = (Context::user("ana"), Context::user("bob"));
    assert!(flags.is_enabled("wrong", &ana) && !flags.is_enabled("wrong", &bob));
    // Only the flags that the file rejects are taken from the kept file.
    assert!(!flags.is_enabled("good", &ana));
    assert_eq!(flags.boolean("gone", &ana, true).error_code, Some(ErrorCode::FlagNotFound));
    assert_eq!(flags.boolean("new", &ana, true).error_code, Some(ErrorCode::ParseError));
    let health = flags.health().sources.swap_remove(0);
    assert_eq!((health.status, health.former, health.flags), (Status::Error, 1, 2));
    let problem = flags.sources_of("wrong").swap_remove(0).problem.unwrap();
    assert!(problem.ends_with("flags.toml:6:1: unknown key `onwer` in flag `wrong`"), "{problem}");
    let place = format!("{}, as it was before flag `wrong` was rejected", kept.path().display());
    let explanation = flags.explain("wrong", &ana).to_string();
    assert!(explanation.contains(&place), "{explanation}");
}

#[tokio::test]
async fn a_kept_definition_outlives_further_starts_and_ends_when_the_flag_is_fixed() {
    let kept = Kept::new("[flags]\na = true\n");
    let flags = kept.start().await;
    kept.has("\"a\"").await;
    drop(flags);

    kept.write("[flags]\na = 1\nb = true\n");
    for _ in 0..2 {
        let flags = kept.start().await;
        kept.has("\"b\"").await;
        assert!(flags.is_enabled("a", &Context::anonymous()));
    }
    let flags = kept.start().await;
    let mut events = flags.events();
    assert!(matches!(next(&mut events).await, Event::Failed { .. }));
    kept.write("[flags]\na = false\nb = true\n");

    while !matches!(next(&mut events).await, Event::Changed { .. }) {}
    assert!(!flags.is_enabled("a", &Context::anonymous()));
    assert_eq!(flags.health().sources[0].former, 0);
}

#[tokio::test]
async fn a_file_without_flags_leaves_nothing_that_is_kept() {
    let kept = Kept::new("[flags]\na = true\n");
    let flags = kept.start().await;
    kept.has("\"a\"").await;
    drop(flags);

    kept.write("[flags]\n");
    let flags = kept.start().await;
    kept.has("\"flags\":{}").await;
    drop(flags);

    kept.write("[flags]\na = 1\nb = true\n");
    let flags = kept.start().await;
    let answer = flags.boolean("a", &Context::anonymous(), true);
    assert_eq!(answer.error_code, Some(ErrorCode::ParseError));
}

#[tokio::test]
async fn what_is_kept_of_a_larger_file_than_usual_is_recalled() {
    let description = "x".repeat(17 << 20);
    let kept =
        Kept::new(&format!("[flags.a]\npercentage = 100\ndescription = \"{description}\"\n"));
    let start = async || {
        let file = File::open(kept.directory.path().join("flags.toml")).unwrap();
        let file = file.max_len(32 << 20).keep_at(kept.path());
        Flags::builder().source(file).start().await.unwrap()
    };
    let flags = start().await;
    kept.has("percentage").await;
    drop(flags);

    kept.write("[flags]\na = 1\n");
    let flags = start().await;

    assert!(flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test]
async fn what_is_kept_and_cannot_be_read_is_ignored() {
    let kept = Kept::new("[flags]\na = true\nb = 1\n");
    for garbage in ["", "no JSON", "{\"flags\": {\"b\": {\"percentage\": 400}}}"] {
        fs::write(kept.path(), garbage).unwrap();

        let flags = kept.start().await;

        assert!(flags.is_enabled("a", &Context::anonymous()), "{garbage}");
        let b = flags.boolean("b", &Context::anonymous(), true);
        assert_eq!(b.error_code, Some(ErrorCode::ParseError), "{garbage}");
        kept.has("\"a\"").await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_cannot_be_kept_is_not_waited_for() {
    let kept = Kept::new("[flags]\na = true\n");
    fs::create_dir(kept.path()).unwrap();

    let flags = kept.start().await;

    assert!(flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test]
async fn a_missing_file_is_an_error_unless_it_may_come_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later/flags.toml");

    let error = File::open(&path).unwrap_err();
    assert!(error.to_string().contains("later/flags.toml"), "{error}");

    let flags = Flags::builder().source(File::optional(&path)).start().await.unwrap();
    let mut a = flags.watch("a");
    fs::create_dir(directory.path().join("later")).unwrap();
    fs::write(&path, "[flags]\na = true\n").unwrap();

    let on = a.wait_for(|state| *state == FlagState::On);
    tokio::time::timeout(BOUND, on).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_file_that_is_wrong_at_the_start_fails_the_start_with_its_diagnostics() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags\na = true\n").unwrap();

    let error = Flags::builder().source(File::open(&path).unwrap()).start().await.unwrap_err();

    assert_eq!(error.name(), "file");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("flags.toml:1:"), "{source}");
}

#[tokio::test]
async fn a_flag_that_is_wrong_at_the_start_is_the_first_event() {
    let mut subject = start("[flags]\na = true\nb = 25\n").await;

    let Event::Failed { error, .. } = next(&mut subject.events).await else {
        panic!("not a failure")
    };

    assert!(error.to_string().contains("flags.toml:3:5"), "{error}");
    let all = subject.flags.all(&Context::anonymous());
    assert_eq!(all.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn a_file_that_is_being_written_at_the_start_gets_some_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "").unwrap();
    let file = File::open(&path).unwrap();

    let start = tokio::spawn(Flags::builder().source(file).start());
    fs::write(&path, "[flags]\na = true\n").unwrap();

    let flags = start.await.unwrap().unwrap();
    assert!(flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test]
async fn what_stands_still_is_confirmed_again_and_again() {
    let subject = start("[flags]\na = true\n").await;
    let age = || subject.flags.health().sources[0].age.unwrap();

    let confirmed = async {
        let mut before = age();
        loop {
            tokio::task::yield_now().await;
            let now = age();
            if now < before {
                return;
            }
            before = now;
        }
    };

    tokio::time::timeout(BOUND, confirmed).await.unwrap();
    assert_eq!(subject.flags.health().sources[0].mode, Some("watching"));
}

#[tokio::test]
async fn a_file_that_is_still_wrong_has_not_recovered() {
    let mut subject = start("[flags]\na = true\nb = 1\n").await;
    assert!(matches!(next(&mut subject.events).await, Event::Failed { .. }));
    assert_eq!(subject.flags.health().sources[0].status, Status::Error);

    fs::write(subject.path(), "[flags]\na = false\nb = 1\n").unwrap();

    assert!(matches!(next(&mut subject.events).await, Event::Changed { .. }));
    assert!(matches!(next(&mut subject.events).await, Event::Failed { .. }));
}

#[tokio::test]
async fn a_flag_that_is_rejected_alone_is_not_unknown() {
    let Subject { flags, .. } = start("[flags]\na = 1\n").await;

    let a = flags.boolean("a", &Context::anonymous(), true);

    assert_eq!(a.error_code, Some(ErrorCode::ParseError));
}

#[tokio::test]
async fn a_flag_that_is_new_and_wrong_is_rejected_at_once() {
    let mut subject = start("[flags]\na = true\n").await;

    fs::write(subject.path(), "[flags]\na = true\nb = 1\n").unwrap();
    while !matches!(next(&mut subject.events).await, Event::Failed { .. }) {}

    let b = subject.flags.boolean("b", &Context::anonymous(), true);
    assert_eq!(b.error_code, Some(ErrorCode::ParseError));
}
