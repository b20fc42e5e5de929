//! What a call by its name tells.
//!
//! A name is all there is: a function of somebody's own that takes `lower`'s name and other types
//! passes for the server's, unless a schema stands before it. One that is not listed may do
//! anything; most do nothing, so that is a remark and no taint.

use super::marks::Marks;
use super::spelling;

/// What calling `name` (as the server has it: folded, without quotes) does to the session.
pub(super) fn effect(name: &[u8]) -> Marks {
    match name {
        b"set_config" => Marks::SET_CONFIG,
        b"nextval" | b"setval" => Marks::SEQUENCE_MOVED,
        b"currval" | b"lastval" => Marks::SEQUENCE_READ,
        b"setseed" => Marks::SEED,
        b"pg_notify" => Marks::NOTIFY,
        b"pg_export_snapshot" => Marks::SNAPSHOT,
        b"loread" | b"lowrite" => Marks::LARGE_OBJECT,
        _ => by_prefix(name),
    }
}

fn by_prefix(name: &[u8]) -> Marks {
    match () {
        () if name.starts_with(b"pg_advisory_lock") => Marks::ADVISORY_LOCK,
        () if name.starts_with(b"pg_try_advisory_lock") => Marks::ADVISORY_LOCK,
        () if name.starts_with(b"pg_advisory_unlock") => Marks::ADVISORY_UNLOCK,
        () if name.starts_with(b"lo_") => Marks::LARGE_OBJECT,
        () if name.starts_with(b"dblink") => Marks::DBLINK,
        () => Marks::NONE,
    }
}

/// Whether an unquoted word before a parenthesis is no call, although it could be a name: it belongs
/// to the grammar there, and no reserved one does.
pub(super) fn is_grammar(word: &[u8]) -> bool {
    let mut lower = [0; 12];
    matches!(
        spelling::lower(word, &mut lower),
        Some(
            b"over"
                | b"filter"
                | b"by"
                | b"rollup"
                | b"cube"
                | b"sets"
                | b"materialized"
                | b"set"
                | b"key"
                | b"conflict"
                | b"include"
                | b"explain"
                | b"copy"
        )
    )
}

/// Lists names once, for a match (which is faster than a search) and to be looked through.
macro_rules! names {
    ($($name:literal)*) => {
        /// Whether it is one of the server's that neither change nor hide anything.
        pub(super) const fn is_harmless(name: &[u8]) -> bool {
            matches!(name, $($name)|*)
        }

        #[cfg(test)]
        pub(super) const HARMLESS: &[&[u8]] = &[$($name),*];
    };
}

names! {
    b"abs" b"age" b"array_agg" b"array_append" b"array_cat" b"array_length" b"array_lower"
    b"array_ndims" b"array_position" b"array_positions" b"array_prepend" b"array_remove"
    b"array_replace" b"array_to_json" b"array_to_string" b"array_upper" b"ascii" b"avg" b"bit_and"
    b"bit_length" b"bit_or" b"bool_and" b"bool_or" b"btrim" b"cardinality" b"cbrt" b"ceil"
    b"ceiling" b"char_length" b"character_length" b"chr" b"clock_timestamp" b"col_description"
    b"concat" b"concat_ws" b"convert_from" b"convert_to" b"corr" b"count" b"cume_dist"
    b"current_database" b"current_query" b"current_schema" b"current_schemas" b"current_setting"
    b"date_bin" b"date_part" b"date_trunc" b"decode" b"degrees" b"dense_rank" b"div" b"encode"
    b"every" b"exp" b"factorial" b"first_value" b"floor" b"format" b"format_type" b"gcd"
    b"gen_random_uuid" b"generate_series" b"generate_subscripts" b"get_byte"
    b"has_column_privilege" b"has_schema_privilege" b"has_table_privilege" b"hashtext"
    b"hashtextextended" b"inet_client_addr" b"inet_server_addr" b"inet_server_port" b"initcap"
    b"isfinite" b"json_agg" b"json_array_elements" b"json_array_elements_text"
    b"json_array_length" b"json_build_array" b"json_build_object" b"json_each" b"json_each_text"
    b"json_extract_path" b"json_extract_path_text" b"json_object" b"json_object_agg"
    b"json_object_keys" b"json_strip_nulls" b"json_typeof" b"jsonb_agg" b"jsonb_array_elements"
    b"jsonb_array_elements_text" b"jsonb_array_length" b"jsonb_build_array" b"jsonb_build_object"
    b"jsonb_each" b"jsonb_each_text" b"jsonb_extract_path" b"jsonb_extract_path_text"
    b"jsonb_insert" b"jsonb_object" b"jsonb_object_agg" b"jsonb_object_keys" b"jsonb_path_exists"
    b"jsonb_path_query" b"jsonb_path_query_array" b"jsonb_path_query_first" b"jsonb_pretty"
    b"jsonb_set" b"jsonb_strip_nulls" b"jsonb_typeof" b"justify_days" b"justify_hours"
    b"justify_interval" b"lag" b"last_value" b"lcm" b"lead" b"left" b"length" b"ln" b"log"
    b"log10" b"lower" b"lower_inc" b"lpad" b"ltrim" b"make_date" b"make_interval" b"make_time"
    b"make_timestamp" b"make_timestamptz" b"max" b"md5" b"min" b"mod" b"mode" b"now" b"nth_value"
    b"ntile" b"num_nonnulls" b"num_nulls" b"obj_description" b"octet_length" b"parse_ident"
    b"percent_rank" b"percentile_cont" b"percentile_disc" b"pg_advisory_xact_lock"
    b"pg_advisory_xact_lock_shared" b"pg_backend_pid" b"pg_column_size" b"pg_conf_load_time"
    b"pg_database_size" b"pg_get_constraintdef" b"pg_get_expr" b"pg_get_functiondef"
    b"pg_get_indexdef" b"pg_get_serial_sequence" b"pg_get_userbyid" b"pg_get_viewdef"
    b"pg_is_in_recovery" b"pg_postmaster_start_time" b"pg_relation_size" b"pg_size_pretty"
    b"pg_sleep" b"pg_sleep_for" b"pg_sleep_until" b"pg_table_is_visible" b"pg_table_size"
    b"pg_total_relation_size" b"pg_try_advisory_xact_lock" b"pg_try_advisory_xact_lock_shared"
    b"pg_typeof" b"phraseto_tsquery" b"pi" b"plainto_tsquery" b"power" b"quote_ident"
    b"quote_literal" b"quote_nullable" b"radians" b"random" b"rank" b"regexp_count"
    b"regexp_instr" b"regexp_like" b"regexp_match" b"regexp_matches" b"regexp_replace"
    b"regexp_split_to_array" b"regexp_split_to_table" b"regexp_substr" b"repeat" b"replace"
    b"reverse" b"right" b"round" b"row_number" b"row_to_json" b"rpad" b"rtrim" b"scale" b"set_bit"
    b"set_byte" b"sha224" b"sha256" b"sha384" b"sha512" b"shobj_description" b"sign" b"split_part"
    b"sqrt" b"starts_with" b"statement_timestamp" b"stddev" b"stddev_pop" b"stddev_samp"
    b"string_agg" b"string_to_array" b"string_to_table" b"strpos" b"substr" b"sum" b"timeofday"
    b"timezone" b"to_ascii" b"to_char" b"to_date" b"to_hex" b"to_json" b"to_jsonb" b"to_number"
    b"to_regclass" b"to_regtype" b"to_timestamp" b"to_tsquery" b"to_tsvector"
    b"transaction_timestamp" b"translate" b"trunc" b"ts_headline" b"ts_rank" b"ts_rank_cd"
    b"unnest" b"upper" b"upper_inc" b"var_pop" b"var_samp" b"variance" b"version"
    b"websearch_to_tsquery" b"width_bucket"
}
