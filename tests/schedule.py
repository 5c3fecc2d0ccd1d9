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
    "backdoors/test_inplace.py": ("test_the_libraries_show_it",),
    "backdoors/test_storage.py": ("test_the_libraries_run_what_was_stored",),
    "bare/test_bare_installation.py": ("test_what_only_a_solver_decides_is_unknown_and_says_how_to_get_one",),
    "bench/test_own_verifiers.py": ("test_a_copy_says_what_the_command_line_says",),
    "benchmarks/test_real_networks.py": ("test_every_logit_is_reproduced",),
    "cli/test_cli_current_folder.py": ("test_where_pythonpath_has_the_folder_the_file_is_named",),
    "cli/test_cli_divergences.py": ("test_each_command_reports_and_ends_with_its_code",),
    "cli/test_cli_width.py": ("test_what_is_printed_fits_at_every_width",),
    "conformance/test_aligned_encoders.py": ("test_ranges_hold_every_aligned_sum_and_solvers_find_no_other",),
    "conformance/test_encoders.py": (
        "test_operations_with_two_arguments_exhaustively",
        "test_operations_of_8_bit_formats",
    ),
    "conformance/test_gfloat.py": ("test_rounding_values_midpoints_and_their_neighbours",),
    "conformance/test_ml_dtypes.py": (
        "test_every_sum_product_and_maximum",
        "test_every_float16_and_hostile_float32_cast_to_a_short_format",
    ),
    "conformance/test_mpfr.py": (
        "test_every_pair_of_small_formats",
        "test_hostile_operands",
    ),
    "conformance/test_sums.py": ("test_every_family_on_thousands_of_hostile_vectors",),
    "corpus/test_counting.py": (
        "test_residues_count_what_enumeration_counts",
        "test_sums_count_what_enumeration_counts",
    ),
    "corpus/test_encodings.py": ("test_solvers_agree_with_the_recorded_status_of_the_quick_ones",),
    "corpus/test_labels.py": ("test_labels_are_what_every_input_says",),
    "corpus/test_real_proofs.py": ("test_no_point_is_below_the_proved_margin",),
    "encoders/test_implied.py": ("test_equal_and_ordered_products",),
    "encoders/test_significands.py": (
        "test_operations_with_two_arguments",
        "test_bounds_in_one_and_in_few_binades",
    ),
    "encoders/test_smtlib.py": ("test_a_script_is_complete_and_the_same_every_time",),
    "evaluators/test_bit_patterns.py": ("test_decoding_and_encoding_agree_with_the_exact_ones",),
    "evaluators/test_float_arrays.py": (
        "test_every_triple_of_a_tiny_format",
        "test_every_pair_of_a_small_format",
        "test_rounding_float64_into_every_format",
        "test_hostile_operands_of_every_format",
    ),
    "evaluators/test_fused_sums.py": ("test_hostile_operands_of_every_format_rounded_into_three",),
    "evaluators/test_layers.py": ("test_ordinary_sums_in_any_tree",),
    "libraries/test_each_library.py": (
        "test_small_integers_are_exact",
        "test_every_layout_computes_the_same_network",
    ),
    "libraries/test_layer_calls.py": ("test_the_call_that_is_printed_gives_the_bits_of_the_layer",),
    "libraries/test_pool.py": ("test_a_library_that_is_told_to_use_a_gpu_that_is_not_there_says_so_in_one_line",),
    "libraries/test_runs.py": ("test_a_library_works_with_as_many_threads_as_it_is_told",),
    "networks/test_onnx_round_trips.py": ("test_onnxruntime_computes_each_layer_type",),
    "networks/test_torch_networks.py": ("test_torch_computes_what_was_read",),
    "report/test_every_report_fits.py": ("test_reports_of_ties_fit",),
    "revealing/test_averages.py": ("test_averages_of_libraries_are_explained",),
    "revealing/test_padding.py": ("test_what_adds_the_taps_in_the_input_is_found",),
    "revealing/test_reveal_simulated.py": (
        "test_how_tiny_results_are_told",
        "test_which_product_of_a_pair_is_fused_onto_which_where_products_are_exact",
        "test_what_is_not_the_order",
    ),
    "revealing/test_revealer.py": ("test_libraries_are_explained",),
    "revealing/test_tensor_cores.py": (
        "test_groups_bits_and_rounding_are_found",
        "test_split_sums_and_permuted_terms",
    ),
    "solvers/test_engines.py": (
        "test_every_engine_solves_and_refutes_in_every_encoding",
        "test_the_same_seed_gives_the_same_solution",
    ),
    "solvers/test_race.py": ("test_a_real_solver_that_runs_out_of_memory_is_an_unknown_with_a_reason",),
    "solvers/test_reuse.py": ("test_the_answer_does_not_depend_on_what_was_asked_before",),
    "synthesis/test_aligned_flips.py": ("test_long_sums_and_two_classes",),
    "synthesis/test_amplify.py": ("test_libraries_give_one_of_the_two_predictions",),
    "synthesis/test_check_true.py": (
        "test_a_tie_that_is_found_is_confirmed",
        "test_a_difference_of_orders_that_is_found_is_confirmed",
    ),
    "synthesis/test_exhaustive.py": ("test_the_optimum_is_that_of_looking_at_everything",),
    "synthesis/test_reach.py": ("test_a_small_file_that_takes_hours_is_refused_at_once",),
    "synthesis/test_run.py": ("test_other_shapes_orders_and_formats_give_confirmed_witnesses",),
    "synthesis/test_tie_question.py": ("test_the_assertions_hold_of_exactly_the_certified_ties",),
    "synthesis/test_time_limits.py": ("test_a_moment_is_too_little_and_no_proof",),
    "test_replay_divergence.py": ("test_each_library_is_run_and_its_verdict_follows_from_its_logits",),
    "test_scratch.py": ("test_a_half_written_folder_of_the_killed_is_removed_where_it_is_written_again",),
    "verifiers/test_lipschitz_sound.py": ("test_no_accepted_radius_contains_another_class",),
    "verifiers/test_milp.py": (
        "test_along_a_line_every_selection_has_its_exact_optimum_and_the_closest_point",
        "test_a_budget_ends_the_solver",
    ),
    "verifiers/test_relaxations_at_random.py": ("test_what_networks_at_random_compute_lies_within_sound_bounds",),
    "verifiers/test_relaxations_of_witnesses.py": (
        "test_logits_of_every_view_lie_within_bounds_and_no_departure_is_called_safe",
    ),
    "verifiers/test_verifier_contract.py": (
        "test_every_point_of_a_box_has_its_logits_within_the_bounds_and_the_class_that_is_claimed",
        "test_no_point_of_a_claimed_ball_has_another_class",
        "test_a_region_that_is_too_large_is_unknown_and_equal_questions_have_equal_claims",
    ),
    "witness/test_old_files.py": ("test_a_stored_file_is_the_same_witness_in_the_newest_version",),
}
"""Tests of many like cases that take longest together, by file: of the cases that are run every second one is left to the slow
run."""


LEFT = {
    "backdoors/test_backdoor.py": ("test_the_script_fills_batches_and_needs_no_labels",),
    "backdoors/test_backdoor_folder.py": (
        "test_without_a_proof_no_instance_is_written_and_that_is_said",
        "test_the_corpus_holds_when_all_of_it_is_proved_again",
    ),
    "backdoors/test_limits.py": ("test_boxes_end_with_the_time",),
    "bench/test_bench.py": ("test_temporary_folders_of_a_killed_bench_are_removed_by_whoever_begins_next",),
    "bench/test_cluster.py": (
        "test_two_benches_on_one_cluster_do_not_mix",
        "test_the_cluster_says_what_this_machine_says",
    ),
    "bench/test_software.py": ("test_a_liar_about_programs_is_shrunk",),
    "benchmarks/test_benchmark_scoreboard.py": ("test_results_hold_no_path_of_the_machine",),
    "cli/test_cli.py": ("test_json_of_what_is_impossible_has_the_same_keys",),
    "corpus/test_instance_families.py": ("test_lone_inputs_are_counted_to_be_one_whatever_the_seed",),
    "corpus/test_instances.py": ("test_a_list_of_categories",),
    "encoders/test_implied.py": ("test_solutions_of_the_small_tie",),
    "libraries/test_switches.py": ("test_deterministic_torch_fixes_the_workspace_of_cublas",),
    "networks/test_large_graphs.py": ("test_ten_million_numbers",),
    "revealing/test_cache.py": ("test_a_network_says_what_is_from_the_cache",),
    "synthesis/test_answer.py": (
        "test_and_says_nothing_of_the_one_that_was_asked_for",
        "test_impossible_in_two_arithmetics_at_once_says_so",
    ),
    "synthesis/test_flips.py": ("test_thousands_of_terms_take_no_more_than_a_few_that_count",),
    "synthesis/test_given_run.py": (
        "test_a_tie_that_no_run_bears_out_is_not_found",
        "test_what_no_run_bears_out_is_not_found",
    ),
    "synthesis/test_interval.py": (
        "test_maximise_goes_farther_outside",
        "test_4096_terms_take_seconds",
    ),
    "synthesis/test_given_time.py": ("test_the_inputs_themselves_are_evaluated_within_the_time",),
    "synthesis/test_matrix_question.py": ("test_every_pair_of_different_arithmetics_of_numpy_and_torch_is_told_apart",),
    "synthesis/test_questions.py": ("test_sampled_points_outside_a_box_are_numbers",),
}
"""Tests beside cheaper ones of their kind that are left to the slow run as a whole; others say so themselves."""


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


def left(path: Path, name: str) -> bool:
    """Whether a test is left to the slow run."""
    return name in LEFT.get(path.relative_to(ROOT).as_posix(), ())


def named() -> list[tuple[Path, str]]:
    """The files and tests that these tables name."""
    return [(ROOT / file, name) for table in (SAMPLED, LEFT) for file, names in table.items() for name in names]
