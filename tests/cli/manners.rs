//! The behaviour of the command among other programs: pipes, exit codes, streams and variables.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
};

use flagstaff::{cli::ExitCode, definition::Field};
use serde_json::{Value, json};

use crate::{
    command::{done, flagstaff, on, ran},
    server::Server,
};

#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut child =
        flagstaff(&["list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The pipe may be closed before or after the first output: neither is an error.
    drop(child.stdout.take());

    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), &*said), (Some(0), ""));
}

/// The verbs of the Python command end with its exit code.
#[test]
fn a_store_that_is_away_is_its_own_kind_of_error() {
    for arguments in [
        &["flags", "list"][..],
        &["flags", "enable", "on"],
        &["enable", "on"],
        &["disable", "on"],
        &["unset", "on"],
        &["get", "on"],
        &["list"],
        &["set", "on", "owner=web"],
    ] {
        let mut command = flagstaff(arguments);
        let ran = ran(command.args(["--redis", "redis://127.0.0.1:1", "-o", "json"]));

        let errors = ran.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let kinds: Vec<_> = errors.map(|error| error["error"]["kind"].clone()).collect();
        assert_eq!(kinds, ["unreachable"], "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    for arguments in [
        &["is-on", "on", "--redis", "redis://127.0.0.1:1", "-o", "json"][..],
        &["nonsense", "--output=jsonl"],
        &["list", "--filter", "colour=red", "-ojson"],
    ] {
        let ran = ran(&mut flagstaff(arguments));

        let error: Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!(error["version"], 1);
        assert_eq!(error["error"]["code"], ran.code.number());
        assert_eq!(error["error"]["kind"], ran.code.as_str());
        assert!(error["error"]["message"].is_string());
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn colour_is_for_terminals_or_by_option() {
    let coloured = |name: Option<&str>| {
        let mut command = flagstaff(&["get", "on", "colour"]);
        command.envs(name.map(|name| (name, "1")));
        ran(&mut command).stderr.contains('\u{1b}')
    };

    assert!(!coloured(None));
    assert!(!coloured(Some("NO_COLOR")));
    assert!(coloured(Some("CLICOLOR_FORCE")));
}

#[test]
fn nothing_is_cut_off_in_a_pipe() {
    let list = ran(&mut flagstaff(&["list"]));

    let longest = list.stdout.lines().find(|line| line.starts_with("long")).unwrap();
    let cells: Vec<_> = longest.split('\t').collect();
    assert_eq!(cells, [&*format!("long_{}", "x".repeat(200)), "on", "file", "", "", ""]);
}

#[test]
fn names_of_flags_and_settings_are_completed() {
    let server = Server::start();
    done(&mut on(&server, &["enable", "quite_new", "--new"]));

    for (line, expected) in [
        (&["get", "q"][..], "quarter\tA quarter\nquite_new\n"),
        (&["is-on", "o"], "off\non\n"),
        (
            &["set", "off", "perc"],
            "percentage=\tThe share of all other users for whom the flag is on. All of them by default.\n",
        ),
        (&["--file", "missing.toml", "get", "q"], "quite_new\n"),
    ] {
        let mut command = on(&server, &["--", "flagstaff"]);
        let completed = ran(command.args(line).env("COMPLETE", "fish"));
        assert_eq!((completed.code, &*completed.stdout), (ExitCode::Done, expected), "{line:?}");
    }
}

#[test]
fn every_setting_is_completed_and_printed() {
    let directory = tempfile::tempdir().unwrap();
    let names = Field::ALL.iter().map(|field| field.as_str());
    let completed = |suffix: &str, line: &[&str]| {
        let mut command = flagstaff(&[&["--", "flagstaff"], line].concat());
        let text = ran(command.env("COMPLETE", "fish")).stdout;
        let lines = text.lines().filter_map(|line| line.split('\t').next());
        lines
            .filter(|name| name.ends_with(suffix) && !name.starts_with("--"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };

    assert_eq!(completed("", &["get", "a", ""]), names.clone().collect::<Vec<_>>());
    let assignments: Vec<_> = names.map(|name| format!("{name}=")).collect();
    assert_eq!(completed("=", &["set", "a", ""]), assignments);

    for field in Field::ALL {
        let mut text = format!("[flags.a]\n{field} = {}\n", field.example());
        if *field == Field::Serve {
            text += &format!("variants = {}\n", Field::Variants.example());
        }
        fs::write(directory.path().join("flags.toml"), text).unwrap();
        let on = |arguments: &[&str]| ran(flagstaff(arguments).current_dir(directory.path()));

        let got = on(&["get", "a", field.as_str()]);
        assert_eq!(got.code, ExitCode::Done, "{field}: {}", got.stderr);
        let shown = on(&["show", "a"]);
        let kind = if field.is_about() { "about" } else { "decides" };
        let row = format!("{kind}\t{field}\t");
        assert!(shown.stdout.contains(&row), "{field}: {}", shown.stdout);
    }
}

/// A program that writes questions into a pipe may wait for each answer.
#[test]
fn a_question_of_a_batch_is_answered_before_the_next_is_asked() {
    let mut command = flagstaff(&["eval", "--batch", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut answers = BufReader::new(answers).lines();

    for (flag, value) in [("on", true), ("off", false), ("on", true)] {
        writeln!(questions, r#"{{"flag":"{flag}"}}"#).unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!((&answer["flag"], &answer["value"]), (&flag.into(), &value.into()));
    }

    drop(questions);
    assert!(child.wait().unwrap().success());
}

/// OpenFeature's clients send a default, whose type is the type of the answer.
#[test]
fn a_batch_answers_in_order_and_by_the_type_of_the_default() {
    let questions = [
        (r#"{"flag": "on"}"#, json!({"value": true, "reason": "STATIC", "source": "file"})),
        (r#"{"flag": "on", "default": "x"}"#, json!({"value": "x", "errorCode": "TYPE_MISMATCH"})),
        (r#"{"flag": "nope", "default": 7}"#, json!({"value": 7, "errorCode": "FLAG_NOT_FOUND"})),
        (
            r#"{"flag": "colour", "context": {"targetingKey": "ana"}}"#,
            json!({"value": "blue", "variant": "blue"}),
        ),
        (r#"{"flag": "colour", "default": false}"#, json!({"value": true, "variant": "blue"})),
        (
            r#"{"flag": "size", "context": {"targetingKey": "ana"}, "default": 1}"#,
            json!({"value": 12, "variant": "big"}),
        ),
        (
            r#"{"flag": "on", "context": {"targetingKey": 7}}"#,
            json!({"value": null, "errorCode": "INVALID_CONTEXT"}),
        ),
        ("nonsense", json!({"value": null, "errorCode": "PARSE_ERROR"})),
    ];
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: Vec<_> = questions.iter().map(|(question, _)| *question).collect();
    std::fs::write(file.path(), lines.join("\n")).unwrap();

    let batch = ran(flagstaff(&["eval", "--batch"]).arg(file.path()));

    let answers: Vec<Value> =
        batch.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), questions.len());
    for ((question, expected), answer) in questions.iter().zip(&answers) {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&answer[name], value, "{question}: {answer}");
        }
    }
    assert_eq!(batch.code, ExitCode::Usage);
    assert!(batch.stderr.contains("line 8"), "{}", batch.stderr);
}

#[test]
fn a_batch_compares_types_as_json_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let declared = r#"
[flags.load.variants]
only = { weight = 1, value = 3.5 }
[flags.seats.variants]
only = { weight = 1, value = 12 }
[flags.ranking.variants]
only = { weight = 1, value = { model = "b", boosts = [1, 2.5] } }
[flags.colours.variants]
only = { weight = 1, value = ["red", "blue"] }
"#;
    std::fs::write(folder.path().join("flags.toml"), declared).unwrap();
    let questions = [
        ("load", "0", json!(3.5), None),
        ("load", "0.5", json!(3.5), None),
        ("seats", "0.5", json!(12), None),
        ("seats", "18446744073709551615", json!(12), None),
        ("seats", "\"\"", json!(""), Some("TYPE_MISMATCH")),
        ("ranking", "{}", json!({"model": "b", "boosts": [1, 2.5]}), None),
        ("ranking", "[]", json!([]), Some("TYPE_MISMATCH")),
        ("ranking", "7", json!(7), Some("TYPE_MISMATCH")),
        ("colours", "[]", json!(["red", "blue"]), None),
        ("colours", "{\"a\": 1}", json!({"a": 1}), Some("TYPE_MISMATCH")),
        ("seats", "{}", json!({}), Some("TYPE_MISMATCH")),
        ("seats", "null", json!(12), None),
    ];
    let lines = questions.iter().map(|(flag, default, ..)| {
        let context = r#"{"targetingKey": "ana"}"#;
        format!(r#"{{"flag": "{flag}", "context": {context}, "default": {default}}}"#)
    });
    let lines: Vec<_> = lines.collect();
    std::fs::write(folder.path().join("questions"), lines.join("\n")).unwrap();

    let batch = ran(flagstaff(&["eval", "--batch", "questions"]).current_dir(folder.path()));

    let answers = batch.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.len(), questions.len(), "{}", batch.stderr);
    for ((flag, default, value, code), answer) in questions.iter().zip(&answers) {
        assert_eq!(&answer["value"], value, "{flag} {default}");
        assert_eq!(answer["errorCode"].as_str(), *code, "{flag} {default}");
    }
}

#[test]
fn the_list_of_what_decides_ends_with_the_remaining_users() {
    let folder = tempfile::tempdir().unwrap();
    let declared = r#"[flags]
on = true
killed = false
quarter = "25%"
[flags.killed_price]
enabled = false
variants = { control = 1, higher = 1 }
[flags.price]
variants = { control = 1, higher = 1 }
[flags.experiment]
traffic = 10
variants = { control = 1, higher = 1 }
[flags.over]
active = { until = 2020-01-01 }
[flags.tester]
percentage = 0
allowed_users = ["ana"]
"#;
    std::fs::write(folder.path().join("flags.toml"), declared).unwrap();

    for (flag, expected) in [
        ("on", "otherwise on"),
        ("killed", "so it is off for all users"),
        ("quarter", "otherwise off"),
        ("killed_price", "so it is off for all users, which serves `control`"),
        ("price", "otherwise the variant that is drawn"),
        ("experiment", "otherwise off, which serves `control`"),
        ("over", "so it is off for all users"),
        ("tester", "otherwise off"),
    ] {
        let mut command = flagstaff(&["show", flag, "--output", "text"]);
        let shown = ran(command.current_dir(folder.path()));
        assert_eq!(shown.stdout.lines().last(), Some(&*format!("  {expected}")), "{flag}");
    }
}

/// Contexts are flat, as in OpenFeature: `attributes` is then one attribute, and probably a mistake.
#[test]
fn nested_attributes_are_reported_once() {
    let question = r#"{"flag": "on", "context": {"attributes": {"plan": "pro"}}}"#;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [question, question].join("\n")).unwrap();

    let batch = ran(flagstaff(&["eval", "--batch"]).arg(file.path()));

    assert_eq!((batch.code, batch.stdout.lines().count()), (ExitCode::Done, 2));
    assert!(batch.stderr.starts_with("warning: line 1: `attributes`"), "{}", batch.stderr);
    assert_eq!(batch.stderr.lines().count(), 1, "{}", batch.stderr);
}

#[test]
fn a_batch_continues_after_a_line_that_is_not_utf8() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"{\"flag\":\"on\"}\n\n\xff\xfe\n{\"flag\":\"off\"}").unwrap();

    let batch = ran(flagstaff(&["eval", "--batch"]).arg(file.path()));

    let answers: Vec<Value> =
        batch.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = answers
        .iter()
        .map(|it| json!([it["version"], it["line"], it["flag"], it["errorCode"]]))
        .collect();
    let expected =
        [json!([1, 1, "on", null]), json!([1, 3, null, "PARSE_ERROR"]), json!([1, 4, "off", null])];
    assert_eq!(told, expected);
    assert_eq!(batch.code, ExitCode::Usage);
}

/// Every line has all columns.
#[test]
fn what_comes_out_of_a_pipe_has_columns() {
    let server = Server::start();
    let by = ["--by", "ana", "-m", "launch"];
    done(on(&server, &["set", "quarter", "percentage=50", "owner=null"]).args(by));
    done(on(&server, &["set", "quite_new", "percentage=10", "--new"]).args(by));

    let piped = |arguments: &[&str]| -> Vec<Vec<String>> {
        let lines = ran(&mut on(&server, arguments)).stdout;
        lines.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    };

    let diff = piped(&["diff"]);
    let settings: Vec<_> = diff.iter().map(|row| row[..5].join(" ")).collect();
    assert_eq!(
        settings,
        [
            r#"quarter changed owner "payments" "#,
            "quarter changed percentage 25 50",
            "quite_new undeclared percentage  10",
        ]
    );
    assert!(diff.iter().all(|row| row.len() == 9 && row[5] == "ana" && row[7] == "launch"));
    let status = piped(&["rollout", "status", "staged"]);
    assert_eq!(status, [["staged", "not started", "0", "2", "0%", "", "", "", ""]]);
}

/// The time is an argument, so that future states can be shown.
#[test]
fn flags_can_be_asked_as_of_another_time() {
    for (at, code) in [("2026-12-01", ExitCode::Done), ("2026-11-30T23:59:59Z", ExitCode::No)] {
        assert_eq!(
            ran(&mut flagstaff(&["is-on", "from_december", "--as-of", at])).code,
            code,
            "{at}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_variable_with_a_bad_value_is_an_error_that_names_it() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    for (name, value) in [
        ("FLAGSTAFF_OUTPUT", &b"bogus"[..]),
        ("FLAGSTAFF_OUTPUT", b"\xff"),
        ("FLAGSTAFF_AT", b"nowhere"),
        ("FLAGSTAFF_AT", b"\xff"),
        ("FLAGSTAFF_ENV_PREFIX", b"\xff"),
        ("FLAGSTAFF_AUTHOR", b"\xff"),
        ("REDIS_URL", b"http://127.0.0.1"),
        ("REDIS_URL", b"\xff"),
        ("REDIS_SENTINELS", b"\xff"),
    ] {
        let told = ran(flagstaff(&["list"]).env(name, OsStr::from_bytes(value)));
        let shown = String::from_utf8_lossy(value);
        assert_eq!(told.code, ExitCode::Usage, "{name}={shown}: {}", told.stderr);
        assert!(told.stderr.contains(&format!("environment variable `{name}`")), "{}", told.stderr);
    }
    // An option overrides the variable, and an empty variable counts as unset.
    let bogus = ran(flagstaff(&["list", "-o", "tsv"]).env("FLAGSTAFF_OUTPUT", "bogus"));
    assert_eq!(bogus.code, ExitCode::Done);
    assert_eq!(ran(flagstaff(&["list"]).env("FLAGSTAFF_OUTPUT", "")).code, ExitCode::Done);
    // A path need not be UTF-8.
    let path = ran(flagstaff(&["list"]).env("FLAGSTAFF_FILE", OsStr::from_bytes(b"\xff.toml")));
    assert!(path.stderr.contains("cannot read"), "{}", path.stderr);
}

#[test]
fn mistakes_in_arguments_are_described() {
    for (arguments, told) in [
        (&["undo", "latest"][..], "expected the number of a revision, such as 42"),
        (&["restore", "on", "--to", "x"], "expected the number of a revision, such as 42"),
        (&["set", "on", "owner=x", "--if-rev", "x"], "expected the number of a revision"),
        (&["history", "--limit", "0"], "expected a whole number from 1 upwards"),
        (
            &["simulate", "on", "owner=x", "--users", "many"],
            "expected a whole number from 1 upwards",
        ),
        (&["enable", "on", "--for", "99999999w"], "longer than the calendar"),
        (&["enable", "on", "--for", "9999999999999999999d"], "longer than the calendar"),
        (&["enable", "on", "--for=-1h"], "a duration cannot be negative"),
        (&["enable", "on", "--for", "soon"], "expected a duration, such as `90s`"),
        (&["eval", "on", "--context", "{\"a\": "], "it is cut off"),
    ] {
        let ran = ran(&mut flagstaff(arguments));
        assert_eq!(ran.code, ExitCode::Usage, "{arguments:?}");
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"x\n\xff\n[]\n{\"flag\":\n").unwrap();
    let batch = ran(flagstaff(&["eval", "--batch"]).arg(file.path())).stderr;
    assert_eq!(
        batch.lines().collect::<Vec<_>>(),
        [
            "warning: line 1: no JSON object: column 1 is not JSON",
            "warning: line 2: byte 1 is not UTF-8",
            "warning: line 3: no JSON object: it is JSON of another kind",
            "warning: line 4: no JSON object: it is cut off",
        ]
    );
}

#[test]
fn of_many_warnings_the_first_are_shown_and_the_rest_are_counted() {
    let server = Server::start();
    let fill = |value: &str| {
        let script = "for i = 1, 70 do redis.call('hset', KEYS[1], 'f' .. i, ARGV[1]) end";
        server.cli(&["eval", script, "1", "feature_flags", value]);
    };

    fill("maybe");
    let odd = ran(&mut on(&server, &["list"]));
    // No file declares these flags, which is a second kind.
    assert_eq!((odd.code, odd.stderr.lines().count()), (ExitCode::Done, 42), "{}", odd.stderr);
    assert_eq!(odd.stderr.matches("warning: 50 more like these\n").count(), 2, "{}", odd.stderr);

    fill("{");
    let unreadable = ran(&mut on(&server, &["list"]));
    let errors = unreadable.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!((unreadable.code, errors), (ExitCode::Usage, 20), "{}", unreadable.stderr);
    assert!(unreadable.stderr.contains("50 more stored values cannot be read"));
}

#[test]
fn a_blank_that_looks_like_the_plain_one_is_escaped() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[flags]\n\"new\u{a0}checkout\" = true\n\"new\u{2009}x\" = true\n")
        .unwrap();

    let list = ran(flagstaff(&["list", "-o", "text", "-f"]).arg(file.path())).stdout;

    assert!(list.contains("new\\u{a0}checkout") && list.contains("new\\u{2009}x"), "{list}");
}

#[test]
fn the_end_of_a_switch_is_told_by_the_status_of_the_rollout() {
    let server = Server::start();
    let run = |arguments: &[&str]| ran(&mut on(&server, arguments));
    run(&["disable", "staged", "--for", "2h", "--by", "ana"]);

    let text = run(&["rollout", "status", "staged", "-o", "text"]).stdout;
    let json: Value =
        serde_json::from_str(&run(&["rollout", "status", "staged", "-o", "json"]).stdout).unwrap();

    assert!(
        text.contains("has off, by ana, until 20")
            || text.contains("has enabled=false, by ana, until 20"),
        "{text}"
    );
    assert!(json["hiddenBy"]["until"].is_string(), "{json}");
    let row = run(&["rollout", "status", "staged"]).stdout;
    assert_eq!(row.trim_end().split('\t').count(), 9, "{row}");
}

#[test]
fn unset_of_a_flag_that_is_off_below_suggests_no_setting() {
    let server = Server::start();
    let run = |arguments: &[&str]| ran(&mut on(&server, arguments));
    run(&["set", "off", "percentage=25"]);

    let told = run(&["unset", "off"]).stderr;

    assert!(told.contains("it stays off") && !told.contains("as well"), "{told}");
}

#[test]
fn a_name_with_a_bar_is_one_cell_of_the_markdown_of_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("a|b.toml");
    std::fs::write(&before, "[flags]\n\"x|y`z\" = false\n").unwrap();
    let after = folder.path().join("after.toml");
    std::fs::write(&after, "[flags]\n\"x|y`z\" = true\n").unwrap();

    let plan = ran(flagstaff(&["plan", "--markdown"]).arg(&before).arg(&after)).stdout;

    let rows: Vec<Vec<_>> = {
        use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
        let (mut rows, mut cell) = (Vec::new(), None::<String>);
        for event in Parser::new_ext(&plan, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::TableRow) => rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => cell = Some(String::new()),
                Event::End(TagEnd::TableCell) => {
                    if let (Some(row), Some(cell)) = (rows.last_mut(), cell.take()) {
                        row.push(cell);
                    }
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(cell) = &mut cell {
                        *cell += &text;
                    }
                }
                _ => {}
            }
        }
        rows
    };
    assert_eq!((rows.len(), rows[0].len(), &*rows[0][0]), (1, 10, "x|y`z"), "{plan}");
}
