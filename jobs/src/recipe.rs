//! A recipe: one experiment as data, its canonical bytes and its id.
//!
//! Text form in [`text`]; which recipes a track admits in [`crate::admission`]; what a recipe
//! means for a training step in [`crate::schedule`].

pub mod text;

use std::fmt;

use prost::Message;
use proto::ids::RecipeId;
use proto::limits::RECIPE_BYTES_MAX;
use proto::wire::work;

use crate::decimal::{Decimal, DecimalError};

/// Number of this schema in the canonical bytes.
pub const SCHEMA: u32 = 1;

/// Distinct tokens and outputs of the head: one for each byte.
pub const VOCABULARY: u64 = 256;

const ID_CONTEXT: &str = "swarm recipe id v1";

/// How gradients become updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Optimizer {
    /// Adam with decoupled weight decay.
    AdamW,
}

impl Optimizer {
    /// Its number on the wire; 0 is no optimizer, so that a missing field is an error.
    pub const fn code(self) -> u32 {
        match self {
            Self::AdamW => 1,
        }
    }

    /// Its name in a recipe file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdamW => "adamw",
        }
    }

    /// Every optimizer.
    pub const ALL: [Self; 1] = [Self::AdamW];
}

/// One experiment: a byte-level decoder and how it is trained.
///
/// Any values can be written here; [`Recipe::check`] says whether a track admits them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recipe {
    /// Layers.
    pub depth: u32,
    /// Width of the residual stream.
    pub width: u32,
    /// Attention heads.
    pub heads: u32,
    /// Hidden width of the MLP over `width`, in eighths.
    pub mlp_ratio_eighths: u32,
    /// Peak learning rate at the reference width.
    pub learning_rate: Decimal,
    /// Decoupled weight decay at the reference width.
    pub weight_decay: Decimal,
    /// Thousandths of the steps in which the rate rises.
    pub warmup_milli: u32,
    /// Thousandths of the steps in which the rate falls at the end.
    pub warmdown_milli: u32,
    /// Bytes predicted in one step.
    pub tokens_per_step: u32,
    /// Scale of the initial weights, 1 being variance-preserving.
    pub init_scale: Decimal,
    /// The optimizer of every weight.
    pub optimizer: Optimizer,
}

/// Bytes that are no recipe of this schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// Longer than any recipe may be.
    #[error("{length} bytes are more than a recipe may have")]
    TooLong {
        /// Their length.
        length: usize,
    },
    /// No protobuf message of this type.
    #[error("the bytes are no recipe")]
    Malformed(#[from] prost::DecodeError),
    /// A schema this version does not know.
    #[error("recipe schema {schema} is unknown, {SCHEMA} is known")]
    Schema {
        /// The number found.
        schema: u32,
    },
    /// A decimal field that is absent or not canonical.
    #[error("the {field} of the recipe is no canonical decimal")]
    Decimal {
        /// The field.
        field: Field,
        /// What is wrong with it; `None` when it is absent.
        #[source]
        source: Option<DecimalError>,
    },
    /// An optimizer this version does not know.
    #[error("optimizer number {code} is unknown")]
    Optimizer {
        /// The number found.
        code: u32,
    },
    /// The same recipe, but not in its one canonical form.
    #[error("the bytes are not the canonical form of their recipe")]
    NotCanonical,
}

impl Recipe {
    /// The canonical bytes: protobuf fields in ascending order, defaults left out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let decimal =
            |value: Decimal| Some(work::Decimal { mantissa: value.mantissa(), exponent: value.exponent() });
        work::Recipe {
            schema: SCHEMA,
            depth: self.depth,
            width: self.width,
            heads: self.heads,
            mlp_ratio_eighths: self.mlp_ratio_eighths,
            learning_rate: decimal(self.learning_rate),
            weight_decay: decimal(self.weight_decay),
            warmup_milli: self.warmup_milli,
            warmdown_milli: self.warmdown_milli,
            tokens_per_step: self.tokens_per_step,
            init_scale: decimal(self.init_scale),
            optimizer: self.optimizer.code(),
        }
        .encode_to_vec()
    }

    /// Reads canonical bytes, and no other encoding of the same recipe.
    ///
    /// # Errors
    /// As the variants of [`BytesError`] say. The values themselves are not checked here.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BytesError> {
        if bytes.len() > RECIPE_BYTES_MAX {
            return Err(BytesError::TooLong { length: bytes.len() });
        }
        let wire = work::Recipe::decode(bytes)?;
        if wire.schema != SCHEMA {
            return Err(BytesError::Schema { schema: wire.schema });
        }
        let decimal = |field, value: Option<work::Decimal>| {
            let value = value.ok_or(BytesError::Decimal { field, source: None })?;
            Decimal::new(value.mantissa, value.exponent)
                .map_err(|source| BytesError::Decimal { field, source: Some(source) })
        };
        let optimizer = Optimizer::ALL.into_iter().find(|optimizer| optimizer.code() == wire.optimizer);
        let recipe = Self {
            depth: wire.depth,
            width: wire.width,
            heads: wire.heads,
            mlp_ratio_eighths: wire.mlp_ratio_eighths,
            learning_rate: decimal(Field::LearningRate, wire.learning_rate)?,
            weight_decay: decimal(Field::WeightDecay, wire.weight_decay)?,
            warmup_milli: wire.warmup_milli,
            warmdown_milli: wire.warmdown_milli,
            tokens_per_step: wire.tokens_per_step,
            init_scale: decimal(Field::InitScale, wire.init_scale)?,
            optimizer: optimizer.ok_or(BytesError::Optimizer { code: wire.optimizer })?,
        };
        if recipe.to_bytes() != bytes {
            return Err(BytesError::NotCanonical);
        }
        Ok(recipe)
    }

    /// The recipe's id: the BLAKE3 hash of its canonical bytes in derive-key mode.
    pub fn id(&self) -> RecipeId {
        RecipeId::new(blake3::derive_key(ID_CONTEXT, &self.to_bytes()))
    }

    /// Width of one attention head; 0 where there are no heads.
    pub fn head_dimension(&self) -> u32 {
        self.width.checked_div(self.heads).unwrap_or(0)
    }

    /// Hidden width of the MLP.
    pub fn hidden(&self) -> u64 {
        u64::from(self.width) * u64::from(self.mlp_ratio_eighths) / 8
    }

    /// Weights of the model: `2·256·D + L·(4·D² + 2·D·H)`, no biases and no norm gains.
    pub fn parameters(&self) -> u64 {
        let width = u64::from(self.width);
        let layer = 4 * width * width + 2 * width * self.hidden();
        2 * VOCABULARY * width + u64::from(self.depth) * layer
    }

    /// The fields in which two recipes differ, in the order of the schema.
    pub fn differences(&self, other: &Self) -> Vec<Field> {
        Field::ALL.into_iter().filter(|field| field.value_of(self) != field.value_of(other)).collect()
    }
}

/// One field of a recipe, by the name it has in a recipe file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// [`Recipe::depth`].
    Depth,
    /// [`Recipe::width`].
    Width,
    /// [`Recipe::heads`].
    Heads,
    /// [`Recipe::mlp_ratio_eighths`].
    MlpRatioEighths,
    /// [`Recipe::learning_rate`].
    LearningRate,
    /// [`Recipe::weight_decay`].
    WeightDecay,
    /// [`Recipe::warmup_milli`].
    WarmupMilli,
    /// [`Recipe::warmdown_milli`].
    WarmdownMilli,
    /// [`Recipe::tokens_per_step`].
    TokensPerStep,
    /// [`Recipe::init_scale`].
    InitScale,
    /// [`Recipe::optimizer`].
    Optimizer,
}

/// The value of one field, comparable and printable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValue {
    /// A whole number.
    Integer(u32),
    /// A decimal.
    Decimal(Decimal),
    /// An optimizer.
    Optimizer(Optimizer),
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Decimal(value) => write!(f, "{value}"),
            Self::Optimizer(value) => write!(f, "{}", value.name()),
        }
    }
}

impl Field {
    /// Every field, in the order of the schema.
    pub const ALL: [Self; 11] = [
        Self::Depth,
        Self::Width,
        Self::Heads,
        Self::MlpRatioEighths,
        Self::LearningRate,
        Self::WeightDecay,
        Self::WarmupMilli,
        Self::WarmdownMilli,
        Self::TokensPerStep,
        Self::InitScale,
        Self::Optimizer,
    ];

    /// Its key in a recipe file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::Width => "width",
            Self::Heads => "heads",
            Self::MlpRatioEighths => "mlp_ratio_eighths",
            Self::LearningRate => "learning_rate",
            Self::WeightDecay => "weight_decay",
            Self::WarmupMilli => "warmup_milli",
            Self::WarmdownMilli => "warmdown_milli",
            Self::TokensPerStep => "tokens_per_step",
            Self::InitScale => "init_scale",
            Self::Optimizer => "optimizer",
        }
    }

    /// Its value in a recipe.
    pub const fn value_of(self, recipe: &Recipe) -> FieldValue {
        match self {
            Self::Depth => FieldValue::Integer(recipe.depth),
            Self::Width => FieldValue::Integer(recipe.width),
            Self::Heads => FieldValue::Integer(recipe.heads),
            Self::MlpRatioEighths => FieldValue::Integer(recipe.mlp_ratio_eighths),
            Self::LearningRate => FieldValue::Decimal(recipe.learning_rate),
            Self::WeightDecay => FieldValue::Decimal(recipe.weight_decay),
            Self::WarmupMilli => FieldValue::Integer(recipe.warmup_milli),
            Self::WarmdownMilli => FieldValue::Integer(recipe.warmdown_milli),
            Self::TokensPerStep => FieldValue::Integer(recipe.tokens_per_step),
            Self::InitScale => FieldValue::Decimal(recipe.init_scale),
            Self::Optimizer => FieldValue::Optimizer(recipe.optimizer),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use proptest::prelude::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn bytes_and_id_are_frozen() {
        let recipe = fixtures::recipe();
        assert_eq!(
            hex(&recipe.to_bytes()),
            "080110011810200228103205\
             08ac0210093a04086410054064\
             48f40350205a04086410036001"
        );
        assert_eq!(
            recipe.id().to_string(),
            "34a6b6cf00faef26b27eb64313c36ac125729c70192e002b8f5935b2615bb9b6"
        );
    }

    #[test]
    fn parameters_are_two_tables_and_the_layers() {
        assert_eq!(fixtures::recipe().parameters(), 8192 + 1024 + 1024);
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = fixtures::recipe().to_bytes();
        let changed = |change: fn(&mut work::Recipe)| {
            let mut wire = work::Recipe::decode(&good[..]).unwrap();
            change(&mut wire);
            Recipe::from_bytes(&wire.encode_to_vec()).unwrap_err()
        };
        assert!(Recipe::from_bytes(&good).is_ok());
        assert_eq!(Recipe::from_bytes(&[0; 1025]).unwrap_err(), BytesError::TooLong { length: 1025 });
        assert!(matches!(Recipe::from_bytes(&[0; 1024]).unwrap_err(), BytesError::Malformed(_)));
        assert_eq!(Recipe::from_bytes(&[]).unwrap_err(), BytesError::Schema { schema: 0 });
        assert_eq!(changed(|wire| wire.schema = 2), BytesError::Schema { schema: 2 });
        assert_eq!(
            changed(|wire| wire.learning_rate = None),
            BytesError::Decimal { field: Field::LearningRate, source: None }
        );
        assert_eq!(
            changed(|wire| wire.init_scale = Some(work::Decimal { mantissa: 1, exponent: 0 })),
            BytesError::Decimal { field: Field::InitScale, source: Some(DecimalError::NotCanonical) }
        );
        assert_eq!(changed(|wire| wire.optimizer = 0), BytesError::Optimizer { code: 0 });
        assert_eq!(changed(|wire| wire.optimizer = 2), BytesError::Optimizer { code: 2 });
    }

    #[test]
    fn other_encodings_of_the_same_recipe_are_refused() {
        let good = fixtures::recipe().to_bytes();
        let reordered = [&good[2..4], &good[..2], &good[4..]].concat();
        let twice = [&good[..2], &good[..]].concat();
        let unknown = [&good[..], &[0x68, 0x01]].concat();
        let long_varint = [&[0x08, 0x81, 0x00], &good[2..]].concat();
        for bytes in [reordered, twice, unknown, long_varint] {
            assert_eq!(Recipe::from_bytes(&bytes), Err(BytesError::NotCanonical), "{}", hex(&bytes));
        }
    }

    fn any_decimal() -> impl Strategy<Value = Decimal> {
        let canonical = (100..=999_u32, -12..=6_i32).prop_map(|(m, e)| Decimal::new(m, e).unwrap());
        prop_oneof![Just(Decimal::ZERO), canonical]
    }

    prop_compose! {
        fn any_recipe()(
            (depth, width, heads, mlp_ratio_eighths) in any::<(u32, u32, u32, u32)>(),
            (warmup_milli, warmdown_milli, tokens_per_step) in any::<(u32, u32, u32)>(),
            learning_rate in any_decimal(),
            weight_decay in any_decimal(),
            init_scale in any_decimal(),
        ) -> Recipe {
            Recipe {
                depth, width, heads, mlp_ratio_eighths, learning_rate, weight_decay, warmup_milli,
                warmdown_milli, tokens_per_step, init_scale, optimizer: Optimizer::AdamW,
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_and_text_give_the_recipe_back(recipe in any_recipe()) {
            prop_assert_eq!(Recipe::from_bytes(&recipe.to_bytes()), Ok(recipe.clone()));
            prop_assert_eq!(Recipe::from_toml(&recipe.to_toml()), Ok(recipe));
        }

        #[test]
        fn two_recipes_never_share_bytes(a in any_recipe(), b in any_recipe()) {
            prop_assert_eq!(a.to_bytes() == b.to_bytes(), a == b);
            prop_assert_eq!(a.differences(&b).is_empty(), a == b);
        }

        #[test]
        fn bytes_that_decode_are_the_bytes_of_what_they_decode_to(
            flips in prop::collection::vec((0..40_usize, any::<u8>()), 1..4),
        ) {
            let mut bytes = fixtures::recipe().to_bytes();
            for (at, byte) in flips {
                let length = bytes.len();
                bytes[at % length] = byte;
            }
            if let Ok(recipe) = Recipe::from_bytes(&bytes) {
                prop_assert_eq!(recipe.to_bytes(), bytes);
            }
        }
    }
}
