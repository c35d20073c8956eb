//! Ids as hex text in JSON.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ids::{
    AccountId, AnchorId, BlobHash, DrawId, NumericClass, ReceiptId, RecipeId, SwarmId, TrackId,
};

macro_rules! hex_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

hex_text!(AccountId, AnchorId, BlobHash, DrawId, NumericClass, ReceiptId, RecipeId, SwarmId, TrackId);
