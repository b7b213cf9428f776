//! Rows of a django fixture, in each form that `loaddata` takes but XML.

use serde_json::{Map, Value};

use crate::text::json_problem;

/// Returns the rows of a fixture in JSON, in JSON lines, or in YAML.
pub(super) fn rows(text: &str) -> Result<Vec<Map<String, Value>>, String> {
    let text = text.trim_start_matches('\u{feff}');
    match text.trim_start().chars().next() {
        Some('[') => serde_json::from_str(text).map_err(|error| json_problem(&error)),
        Some('{') => lines(text),
        _ => yaml(text),
    }
}

/// Parses one object per line.
fn lines(text: &str) -> Result<Vec<Map<String, Value>>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let row = |(index, line): (usize, &str)| {
        let row: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
            format!("line {} is not a JSON object: {}", index + 1, json_problem(&error))
        })?;
        match row.contains_key("model") {
            true => Ok(row),
            false => Err(format!("line {} has no `model`", index + 1)),
        }
    };
    lines.map(row).collect()
}

fn yaml(text: &str) -> Result<Vec<Map<String, Value>>, String> {
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Array(rows)) => rows
            .into_iter()
            .map(|row| match row {
                Value::Object(row) => Ok(row),
                other => Err(format!("expected rows with a `model`, not {other}")),
            })
            .collect(),
        Ok(_) => Err("expected a list of rows".to_owned()),
        // What is wrong, without the lines that show it.
        Err(error) => {
            let error = error.to_string();
            Err(error.lines().next().unwrap_or("it is neither JSON nor YAML").to_owned())
        }
    }
}
