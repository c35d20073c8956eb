//! The text form of a recipe: a flat TOML table with one key for each field.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::{Field, Optimizer, Recipe};
use crate::decimal::{Decimal, DecimalError};

/// Recipe files longer than this are not read; a recipe with a comment on each line has 2 KiB.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// Why a text is no recipe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than a recipe file may be.
    #[error("{length} bytes are more than a recipe file may have")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// No TOML.
    #[error("line {line} is not TOML: {message}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// A key that is no field.
    #[error("unknown recipe key `{key}`{}", hint(.nearest))]
    UnknownKey {
        /// The key.
        key: String,
        /// The field it looks like.
        nearest: Option<Field>,
    },
    /// A field without a value.
    #[error("the recipe does not say `{field}`")]
    Missing {
        /// The field.
        field: Field,
    },
    /// A value of another type.
    #[error("`{field}` is {found}, expected {expected}")]
    WrongType {
        /// The field.
        field: Field,
        /// The type expected.
        expected: &'static str,
        /// The type found.
        found: &'static str,
    },
    /// A whole number that does not fit.
    #[error("`{field}` = {value} is outside 0 to 4294967295")]
    Integer {
        /// The field.
        field: Field,
        /// The number.
        value: i64,
    },
    /// A fraction that does not fit.
    #[error("`{field}` cannot be read")]
    Decimal {
        /// The field.
        field: Field,
        /// What is wrong with it.
        #[source]
        source: DecimalError,
    },
    /// An optimizer that does not exist.
    #[error("optimizer `{name}` is unknown, write `adamw`")]
    UnknownOptimizer {
        /// The name.
        name: String,
    },
}

fn hint(nearest: &Option<Field>) -> String {
    nearest.map_or_else(
        || format!(", the keys are {}", Field::ALL.map(Field::name).join(", ")),
        |field| format!(", did you mean `{field}`?"),
    )
}

impl Recipe {
    /// Reads a recipe file. Every field must be there, except `optimizer`, which is `adamw` if unsaid.
    ///
    /// # Errors
    /// As the variants of [`TextError`] say: an unknown key first, then the fields in the order of the schema.
    pub fn from_toml(text: &str) -> Result<Self, TextError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(TextError::TooLong { length: text.len() });
        }
        let table: Table = text.parse().map_err(|error| syntax(text, &error))?;
        if let Some(key) = table.keys().find(|key| field_named(key).is_none()) {
            return Err(TextError::UnknownKey { key: key.clone(), nearest: nearest(key) });
        }
        Ok(Self {
            depth: integer(&table, Field::Depth)?,
            width: integer(&table, Field::Width)?,
            heads: integer(&table, Field::Heads)?,
            mlp_ratio_eighths: integer(&table, Field::MlpRatioEighths)?,
            learning_rate: decimal(&table, Field::LearningRate)?,
            weight_decay: decimal(&table, Field::WeightDecay)?,
            warmup_milli: integer(&table, Field::WarmupMilli)?,
            warmdown_milli: integer(&table, Field::WarmdownMilli)?,
            tokens_per_step: integer(&table, Field::TokensPerStep)?,
            init_scale: decimal(&table, Field::InitScale)?,
            optimizer: optimizer(&table)?,
        })
    }

    /// The recipe as a file: every field on its line, in the order of the schema.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for field in Field::ALL {
            let quote = if field == Field::Optimizer { "\"" } else { "" };
            let value = field.value_of(self);
            writeln!(text, "{field} = {quote}{value}{quote}").expect("writing to a string cannot fail");
        }
        text
    }
}

fn syntax(text: &str, error: &toml::de::Error) -> TextError {
    let start = error.span().map_or(0, |span| span.start).min(text.len());
    let line = 1 + text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count();
    TextError::Syntax { line, message: error.message().lines().collect::<Vec<_>>().join(", ") }
}

fn field_named(key: &str) -> Option<Field> {
    Field::ALL.into_iter().find(|field| field.name() == key)
}

/// The field whose name is fewest edits away, if those are at most a third of the key.
fn nearest(key: &str) -> Option<Field> {
    let wanted = key.to_lowercase().replace('-', "_");
    let (field, edits) = Field::ALL
        .into_iter()
        .map(|field| (field, edit_distance(&wanted, field.name())))
        .min_by_key(|(_, edits)| *edits)?;
    let prefixed =
        || Field::ALL.into_iter().find(|field| wanted.len() > 2 && field.name().starts_with(&wanted));
    if edits <= (wanted.chars().count() / 3).max(1) { Some(field) } else { prefixed() }
}

fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

fn value(table: &Table, field: Field) -> Result<&Value, TextError> {
    table.get(field.name()).ok_or(TextError::Missing { field })
}

fn integer(table: &Table, field: Field) -> Result<u32, TextError> {
    let value = value(table, field)?;
    let number = value.as_integer().ok_or_else(|| wrong_type(field, "a whole number", value))?;
    u32::try_from(number).map_err(|_| TextError::Integer { field, value: number })
}

fn decimal(table: &Table, field: Field) -> Result<Decimal, TextError> {
    let value = value(table, field)?;
    let number = value.as_float().or_else(|| value.as_integer().map(|number| number as f64));
    let number = number.ok_or_else(|| wrong_type(field, "a number", value))?;
    Decimal::from_f64(number).map_err(|source| TextError::Decimal { field, source })
}

fn optimizer(table: &Table) -> Result<Optimizer, TextError> {
    let Some(value) = table.get(Field::Optimizer.name()) else {
        return Ok(Optimizer::AdamW);
    };
    let name = value.as_str().ok_or_else(|| wrong_type(Field::Optimizer, "a name in quotes", value))?;
    let found = Optimizer::ALL.into_iter().find(|optimizer| optimizer.name() == name);
    found.ok_or_else(|| TextError::UnknownOptimizer { name: name.to_owned() })
}

fn wrong_type(field: Field, expected: &'static str, value: &Value) -> TextError {
    let found = match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    };
    TextError::WrongType { field, expected, found }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::fixtures;

    const GOOD: &str = "depth = 1\nwidth = 16\nheads = 2\nmlp_ratio_eighths = 16\nlearning_rate = 0.003\n\
                        weight_decay = 0.1\nwarmup_milli = 100\nwarmdown_milli = 500\ntokens_per_step = 32\n\
                        init_scale = 1.0\noptimizer = \"adamw\"\n";

    #[test]
    fn a_file_is_read_and_written() {
        assert_eq!(Recipe::from_toml(GOOD), Ok(fixtures::recipe()));
        assert_eq!(fixtures::recipe().to_toml(), GOOD);
        let shorter = GOOD.replace("optimizer = \"adamw\"\n", "").replace("1.0", "1 # as is");
        assert_eq!(Recipe::from_toml(&shorter), Ok(fixtures::recipe()));
    }

    /// The file with one line replaced is refused with this text.
    fn check(from: &str, to: &str, expected: &str) {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        let error = Recipe::from_toml(&text).unwrap_err();
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        assert_eq!(format!("{error}{source}"), expected);
    }

    #[test]
    fn bad_files_are_refused_with_a_sentence() {
        check("depth", "dept", "unknown recipe key `dept`, did you mean `depth`?");
        check(
            "learning_rate",
            "learning-rate",
            "unknown recipe key `learning-rate`, did you mean `learning_rate`?",
        );
        check(
            "learning_rate",
            "LearningRate",
            "unknown recipe key `LearningRate`, did you mean `learning_rate`?",
        );
        check("warmup_milli", "warmup", "unknown recipe key `warmup`, did you mean `warmup_milli`?");
        check(
            "depth = 1",
            "depth = 1\nseconds = 300",
            "unknown recipe key `seconds`, the keys are depth, width, heads, mlp_ratio_eighths, learning_rate, \
             weight_decay, warmup_milli, warmdown_milli, tokens_per_step, init_scale, optimizer",
        );
        check("depth = 1\n", "", "the recipe does not say `depth`");
        check("init_scale = 1.0\n", "", "the recipe does not say `init_scale`");
        check("width = 16", "width = 16.5", "`width` is a fraction, expected a whole number");
        check("width = 16", "width = \"16\"", "`width` is text, expected a whole number");
        check("0.003", "true", "`learning_rate` is true or false, expected a number");
        check("0.003", "[0.003]", "`learning_rate` is a list, expected a number");
        check("heads = 2", "heads = -2", "`heads` = -2 is outside 0 to 4294967295");
        check("heads = 2", "heads = 4294967296", "`heads` = 4294967296 is outside 0 to 4294967295");
        check("0.1", "-0.1", "`weight_decay` cannot be read: a negative number");
        check("0.1", "nan", "`weight_decay` cannot be read: not a finite number");
        check("0.1", "1e-11", "`weight_decay` cannot be read: a number outside 1e-10 to 9.99e8");
        check("\"adamw\"", "\"adam\"", "optimizer `adam` is unknown, write `adamw`");
        check("\"adamw\"", "1", "`optimizer` is a whole number, expected a name in quotes");
        check("heads = 2", "heads 2", "line 3 is not TOML: key with no value, expected `=`");
        check("heads = 2", "depth = 2", "line 3 is not TOML: duplicate key");
        check("\"adamw\"", "\"adamw", "line 11 is not TOML: invalid basic string, expected `\"`");
    }

    #[test]
    fn a_file_of_64_kib_is_read_and_a_longer_one_is_not() {
        let padded = |length: usize| format!("{GOOD}#{}", " ".repeat(length - GOOD.len() - 1));
        assert_eq!(Recipe::from_toml(&padded(65_536)), Ok(fixtures::recipe()));
        assert_eq!(Recipe::from_toml(&padded(65_537)), Err(TextError::TooLong { length: 65_537 }));
    }
}
