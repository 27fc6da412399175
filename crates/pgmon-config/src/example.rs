//! The commented default configuration.

/// Every key with its meaning, its unit and its default, as a `pgmon.yaml`.
pub fn example() -> &'static str {
    include_str!("../pgmon.example.yaml")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::example;
    use crate::schema::Shape;
    use crate::{Config, LoadOptions, Overrides};

    const WIDTH: usize = 100;

    /// Writes the keys of a section from the schema.
    fn render(shape: Shape<'_>, indent: usize, out: &mut String) {
        let pad = "  ".repeat(indent);
        for (n, (key, property)) in shape.properties().enumerate() {
            if indent == 0 && n > 0 {
                out.push('\n');
            }
            wrap(property.description(), &format!("{pad}# "), out);
            let default = &property.0["default"];
            if property.properties().next().is_some() {
                out.push_str(&format!("{pad}{key}:\n"));
                render(property, indent + 1, out);
            } else if let Some(section) = property.sections() {
                out.push_str(&format!("{pad}{key}: {{}}\n{pad}#   NAME:\n"));
                keys(section, &format!("{pad}#     "), out);
            } else if let Some(items) = property.items() {
                let default = if default.is_null() { "[]".to_owned() } else { scalar(default) };
                out.push_str(&format!("{pad}{key}: {default}\n"));
                entry(items, &pad, out);
            } else if default.is_null() {
                out.push_str(&format!("{pad}# {key}: {}\n", scalar(&property.0["examples"][0])));
            } else {
                out.push_str(&format!("{pad}{key}: {}\n", scalar(default)));
            }
        }
    }

    /// Writes the keys of one section of a map as comments.
    fn keys(shape: Shape<'_>, pad: &str, out: &mut String) {
        for (key, property) in shape.properties() {
            let default = &property.0["default"];
            let unset = default.is_null() || default.as_object().is_some_and(serde_json::Map::is_empty);
            let unset = unset || *default == "" || default.as_array().is_some_and(Vec::is_empty);
            wrap(property.description(), &format!("{pad}# "), out);
            if property.properties().next().is_some() {
                out.push_str(&format!("{pad}{key}:\n"));
                keys(property, &format!("{pad}  "), out);
                continue;
            }
            let sample = if unset { &property.0["examples"][0] } else { default };
            out.push_str(&format!("{pad}{key}: {}\n", scalar(sample)));
        }
    }

    /// Writes one entry of a list as a comment.
    fn entry(shape: Shape<'_>, pad: &str, out: &mut String) {
        for (n, (key, property)) in shape.properties().enumerate() {
            let dash = if n == 0 { "-" } else { " " };
            let default = &property.0["default"];
            let unset = default.is_null() || *default == "";
            let sample = if unset { &property.0["examples"][0] } else { default };
            wrap(property.description(), &format!("{pad}#     # "), out);
            out.push_str(&format!("{pad}#   {dash} {key}: {}\n", scalar(sample)));
        }
    }

    fn scalar(value: &Value) -> String {
        match value {
            Value::String(text) if text.is_empty() || text.contains([' ', ':', '#', '\'', '{']) => {
                format!("{value}")
            }
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }

    fn wrap(text: &str, prefix: &str, out: &mut String) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && prefix.len() + line.len() + 1 + word.len() > WIDTH {
                out.push_str(&format!("{prefix}{line}\n"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            out.push_str(&format!("{prefix}{line}\n"));
        }
    }

    #[test]
    fn is_written_from_the_schema() {
        let schema = crate::schema();
        let mut fresh = String::new();
        for paragraph in Shape(&schema).description().split("\n\n") {
            wrap(paragraph, "# ", &mut fresh);
            fresh.push_str("#\n");
        }
        fresh.push_str("# All values below are the defaults; keys behind a # have none.\n\n");
        render(Shape(&schema), 0, &mut fresh);
        if std::env::var_os("UPDATE_EXAMPLE").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/pgmon.example.yaml"), &fresh).unwrap();
        }
        let kept =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/pgmon.example.yaml")).unwrap();
        assert!(kept == fresh, "run the test again with UPDATE_EXAMPLE=1 in the environment");
    }

    #[test]
    fn says_the_defaults() {
        let dsn = Some("postgres://pgmon@localhost/shop".into());
        let options =
            LoadOptions { overrides: Overrides { dsn, ..Overrides::default() }, ..LoadOptions::default() };
        let mut loaded = Config::load_text("pgmon.yaml".as_ref(), example(), &options).unwrap();
        loaded.config.dsn = None;
        assert_eq!(loaded.config, Config::default());
        assert_eq!(loaded.warnings.len(), 1, "only bloat.enable_pageinspect is set and deprecated");
    }
}
