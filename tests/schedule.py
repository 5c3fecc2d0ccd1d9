"""Which tests belong to which tier, which are begun first, and which are sampled in an ordinary run."""

from pathlib import Path

ROOT = Path(__file__).parent

TIERS = {
    "solvers": (
        *("solvers", "encoders", "synthesis", "verifiers"),
        *("conformance/test_encoders.py", "conformance/test_aligned_encoders.py", "conformance/test_sums.py"),
    ),
    "libraries": (
        "conformance/test_shared_layers.py",
        "backdoors",
        "libraries",
        "revealing",
        "gpu",
        "test_confirmation.py",
        "test_replay_divergence.py",
    ),
    "whole": ("cli", "bare", "bench", "benchmarks", "corpus", "goldens", "test_additions.py", "test_api.py", "test_docs.py"),
}
"""Folders and files below tests/ of each tier but ``core``, to which all others belong: formats, orders, networks, words."""

LONGEST = (
    "verifiers/external/test_real_tools.py",
    "libraries/test_library_checks.py",
    "bench/test_shrinking.py",
    "corpus/test_instance_families.py",
    "revealing/test_reveal_simulated.py",
    "evaluators/test_layers.py",
    "corpus/test_corpus_export.py",
    "synthesis/test_answer.py",
    "conformance/test_encoders.py",
    "bench/test_cluster.py",
    "revealing/test_cache.py",
    "corpus/test_counting.py",
    "benchmarks/test_real_networks.py",
    "backdoors/test_backdoor.py",
    "test_additions.py",
    "libraries/test_each_library.py",
    "verifiers/test_verifier_contract.py",
    "bench/test_bench.py",
    "bare/test_bare_installation.py",
    "libraries/test_layer_calls.py",
    "conformance/test_aligned_encoders.py",
    "revealing/test_tensor_cores.py",
    "solvers/test_reuse.py",
    "corpus/test_encodings.py",
    "verifiers/external/test_installing.py",
    "revealing/test_network_reveals.py",
    "libraries/test_switches.py",
    "evaluators/test_float_arrays.py",
    "networks/test_torch_networks.py",
    "corpus/test_corpus_check.py",
    "benchmarks/test_benchmark_networks.py",
    "solvers/test_race.py",
)
"""Files that take longest, which are begun first: at the end no core is to wait for one of them (the first takes a minute where
real verifiers are installed)."""

SAMPLED = {
    "backdoors/test_backdoor.py": ("test_it_is_wrong_in_the_target_and_nowhere_else",),
    "backdoors/test_storage.py": ("test_the_libraries_run_what_was_stored",),
    "benchmarks/test_real_networks.py": ("test_every_logit_is_reproduced",),
    "cli/test_cli_current_folder.py": ("test_where_pythonpath_has_the_folder_the_file_is_named",),
    "cli/test_cli_divergences.py": ("test_each_command_reports_and_ends_with_its_code",),
    "cli/test_cli_width.py": ("test_what_is_printed_fits_at_every_width",),
    "conformance/test_mpfr.py": ("test_every_pair_of_small_formats", "test_hostile_operands"),
    "conformance/test_sums.py": ("test_every_family_on_thousands_of_hostile_vectors",),
    "corpus/test_counting.py": ("test_residues_count_what_enumeration_counts", "test_sums_count_what_enumeration_counts"),
    "corpus/test_real_proofs.py": ("test_no_point_is_below_the_proved_margin",),
    "encoders/test_implied.py": ("test_equal_and_ordered_products",),
    "encoders/test_significands.py": ("test_operations_with_two_arguments", "test_bounds_in_one_and_in_few_binades"),
    "evaluators/test_float_arrays.py": (
        *("test_every_triple_of_a_tiny_format", "test_every_pair_of_a_small_format"),
        *("test_rounding_float64_into_every_format", "test_hostile_operands_of_every_format"),
    ),
    "libraries/test_each_library.py": ("test_small_integers_are_exact",),
    "libraries/test_layer_calls.py": ("test_the_call_that_is_printed_gives_the_bits_of_the_layer",),
    "libraries/test_pool.py": ("test_a_library_that_is_told_to_use_a_gpu_that_is_not_there_says_so_in_one_line",),
    "networks/test_onnx_round_trips.py": ("test_onnxruntime_computes_each_layer_type",),
    "report/test_every_report_fits.py": ("test_reports_of_ties_fit",),
    "revealing/test_averages.py": ("test_averages_of_libraries_are_explained",),
    "revealing/test_padding.py": ("test_what_adds_the_taps_in_the_input_is_found",),
    "revealing/test_reveal_simulated.py": (
        *("test_how_tiny_results_are_told", "test_which_product_of_a_pair_is_fused_onto_which_where_products_are_exact"),
        "test_what_is_not_the_order",
    ),
    "revealing/test_revealer.py": ("test_libraries_are_explained",),
    "revealing/test_tensor_cores.py": ("test_groups_bits_and_rounding_are_found", "test_split_sums_and_permuted_terms"),
    "solvers/test_engines.py": (
        *("test_every_engine_solves_and_refutes_in_every_encoding", "test_the_same_seed_gives_the_same_solution"),
    ),
    "solvers/test_reuse.py": ("test_the_answer_does_not_depend_on_what_was_asked_before",),
    "synthesis/test_check_true.py": (
        "test_a_tie_that_is_found_is_confirmed",
        "test_a_difference_of_orders_that_is_found_is_confirmed",
    ),
    "synthesis/test_exhaustive.py": ("test_the_optimum_is_that_of_looking_at_everything",),
    "synthesis/test_reach.py": ("test_a_small_file_that_takes_hours_is_refused_at_once",),
    "synthesis/test_tie_question.py": ("test_the_assertions_hold_of_exactly_the_certified_ties",),
    "synthesis/test_time_limits.py": ("test_a_moment_is_too_little_and_no_proof",),
    "verifiers/test_lipschitz_sound.py": ("test_no_accepted_radius_contains_another_class",),
    "verifiers/test_milp.py": ("test_along_a_line_every_selection_has_its_exact_optimum_and_the_closest_point",),
    "verifiers/test_relaxations_at_random.py": ("test_what_networks_at_random_compute_lies_within_sound_bounds",),
    "verifiers/test_relaxations_of_witnesses.py": (
        "test_logits_of_every_view_lie_within_bounds_and_no_departure_is_called_safe",
    ),
    "witness/test_old_files.py": ("test_a_stored_file_is_the_same_witness_in_the_newest_version",),
}
"""Tests of many like cases that take longest together, by file: of the cases that are run every second one is left to the slow
run."""


def tier_of(path: Path) -> str:
    """The tier of a test file."""
    place = path.relative_to(ROOT)
    for tier, places in TIERS.items():
        if place.parts[0] in places or place.as_posix() in places:
            return tier
    return "core"


def sampled(path: Path, name: str) -> bool:
    """Whether only every second case of a test is run every time."""
    return name in SAMPLED.get(path.relative_to(ROOT).as_posix(), ())
