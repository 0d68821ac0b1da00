//! The contract that every implementation of the store keeps: one suite, run on each.

#![expect(clippy::unwrap_used, reason = "a case fails where it stands")]

mod accept;
mod allowances;
mod certificates;
mod claim;
mod destinations;
mod domain_keys;
mod domains;
mod engagement;
mod erase;
mod events;
mod fixture;
mod flips;
mod holder;
mod idempotency;
mod inbound;
mod inbound_kept;
mod links;
mod once;
mod operator;
mod reports;
mod reputation;
mod retention;
mod sandbox;
mod scheduled;
mod settle;
mod sqlite_only;
mod suppression;
mod tenancy;
mod tenants;
mod unsent;
mod verify;
mod webhooks;

/// Runs every case on an implementation.
macro_rules! contract {
    ($implementation:ident: $($module:ident::$case:ident),* $(,)?) => {
        mod $implementation {
            $(
                #[tokio::test]
                async fn $case() {
                    let fixture = $crate::fixture::$implementation().await;
                    $crate::$module::$case(&fixture).await;
                    fixture.close().await;
                }
            )*
        }
    };
}

contract!(sqlite:
    accept::an_accepted_message_survives_a_crash,
    accept::a_body_comes_back_as_it_was,
    accept::a_refused_submission_fails_alone,
    accept::fresh_deliveries_are_offered_with_their_body,
    accept::what_does_not_fit_the_channel_is_due_at_once,
    accept::one_lane_does_not_take_all_the_room,
    allowances::limits_are_set_and_taken_back,
    allowances::what_was_taken_is_counted_by_account_and_day,
    certificates::one_holder_asks_at_a_time,
    certificates::what_was_got_is_kept_and_ends_the_claim,
    certificates::a_host_is_retired_once,
    certificates::a_failure_leaves_what_is_there,
    certificates::so_many_an_hour_and_no_more,
    certificates::an_operator_wants_another_one,
    certificates::proofs_are_shown_until_they_are_over,
    certificates::the_first_account_stays,
    idempotency::a_known_key_stores_nothing,
    idempotency::a_key_is_known_within_its_batch,
    idempotency::a_key_expires,
    scheduled::a_scheduled_delivery_is_in_no_lane,
    scheduled::at_its_time_it_is_queued_with_its_send,
    scheduled::scheduled_mail_survives_a_crash,
    claim::claims_take_what_is_due_oldest_first,
    claim::nothing_is_claimed_twice,
    claim::an_offered_delivery_is_not_due_before_its_retry,
    claim::a_lane_sleeps_until_its_next_delivery,
    claim::released_deliveries_are_due_again,
    claim::lanes_of_other_workspaces_stand_apart,
    settle::an_outcome_changes_state_and_log_together,
    settle::a_delay_is_due_again_with_the_next_number,
    settle::a_settled_delivery_is_not_settled_again,
    settle::one_batch_settles_each_delivery_alone,
    settle::bodies_go_when_nothing_needs_them,
    settle::bodies_that_ended_before_their_file_was_full_go_with_it,
    reports::only_what_was_asked_for_is_noted,
    reports::mail_without_reports_notes_nothing,
    reports::a_body_stays_until_its_reports_have_ended,
    reports::of_a_delay_a_sender_is_told_once,
    reports::what_an_operator_fails_is_noted,
    reports::the_key_of_a_report_goes_with_it,
    events::pages_follow_the_log,
    events::a_set_sees_only_its_own,
    events::sequence_numbers_have_no_gaps,
    events::what_is_about_an_address_is_found_by_it,
    operator::lanes_tell_what_waits,
    operator::held_mail_stays_until_it_is_released,
    operator::scheduled_mail_is_scheduled_again,
    operator::cancelled_mail_ends_with_its_body,
    operator::failed_mail_bounces_with_the_reply,
    operator::a_retry_is_due_at_once,
    operator::what_is_in_flight_is_left_alone,
    operator::what_is_put_aside_is_changed_and_its_claim_ends,
    holder::what_waits_in_memory_is_taken_from_its_holder,
    holder::one_revocation_is_finished_and_the_others_are_not,
    operator::a_long_queue_is_gone_through_batch_by_batch,
    operator::a_filter_means_what_it_says,
    operator::a_history_has_every_event_and_who_was_told,
    operator::events_are_found_by_what_they_are_about,
    tenants::what_is_made_shows_in_the_directory,
    tenants::a_configuration_set_is_changed,
    tenants::a_credential_is_made_and_revoked_and_keeps_its_name,
    tenants::how_mail_of_a_set_leaves_is_kept,
    tenants::names_are_taken_once,
    tenants::token_keys_stay,
    tenancy::a_pause_is_an_event_and_shows_in_the_directory,
    tenancy::a_paused_workspace_has_no_lanes_that_are_due,
    tenancy::a_paused_domain_holds_its_own_mail_alone,
    tenancy::what_is_in_use_is_not_removed,
    tenancy::mail_that_waits_keeps_its_workspace_and_its_set,
    tenancy::what_is_removed_leaves_its_name_and_not_its_number,
    tenancy::a_check_waits_for_no_writer,
    tenancy::nothing_is_made_in_what_was_removed,
    tenancy::api_keys_are_found_by_their_hash,
    tenancy::the_queue_of_a_revoked_credential_is_held_or_cancelled,
    tenancy::the_queue_of_a_revoked_credential_is_kept,
    sandbox::verified_addresses_stand_in_the_directory,
    sandbox::what_a_sandbox_sends_is_counted_by_day,
    sandbox::a_sandbox_begins_and_ends_without_a_word,
    sandbox::mail_of_a_sandbox_comes_due_as_any,
    reputation::outcomes_are_counted_once,
    reputation::what_can_not_be_read_holds_up_no_count,
    reputation::what_we_send_ourselves_is_nobodys,
    reputation::a_workspace_that_is_resumed_begins_anew,
    reputation::a_long_log_is_counted_in_stretches,
    domain_keys::keys_show_in_the_directory_and_survive,
    domain_keys::a_key_takes_the_place_of_the_one_before,
    domain_keys::keys_are_added_all_or_none,
    domains::the_life_of_a_domain_is_told,
    domains::a_change_tells_what_was_and_what_is,
    domains::changes_at_once_are_both_kept,
    domains::a_domain_that_is_gone_is_not_changed,
    domains::a_domain_turns_once,
    domains::without_an_answer_what_was_known_stands,
    domains::what_waits_of_a_removed_domain_is_rejected,
    domains::what_is_sent_meanwhile_is_left_alone,
    domains::who_adds_it_anew_loses_nothing,
    domains::what_comes_in_while_a_domain_is_swept_stays,
    domains::tokens_outlive_the_domain,
    suppression::who_is_on_the_list_is_found_as_mail_compares,
    suppression::what_stands_there_keeps_its_cause,
    suppression::a_wish_takes_the_place_of_what_others_think,
    suppression::an_entry_holds_until_it_expires,
    suppression::a_dead_address_is_put_on_it,
    suppression::what_mail_says_is_heeded_at_once,
    suppression::the_list_is_paged_and_counted,
    suppression::an_address_is_taken_off_for_one_scope_or_all,
    suppression::what_has_expired_is_removed,
    unsent::mail_to_whoever_is_on_it_ends_at_once,
    unsent::quotes_are_no_way_around_the_list,
    unsent::a_message_to_nobody_keeps_no_body,
    unsent::what_ends_at_once_is_told_so,
    unsent::a_stream_is_left_without_the_others,
    unsent::scheduled_mail_is_looked_up_twice,
    unsent::what_waits_is_looked_up_when_it_is_claimed,
    unsent::what_is_in_memory_hears_of_it,
    unsent::who_was_put_there_and_taken_off_gets_mail_again,
    unsent::what_can_not_be_read_holds_all_the_same,
    unsent::what_can_not_be_ended_holds_up_nobody,
    unsent::what_nobody_has_had_enough_of_is_sent,
    webhooks::a_cursor_begins_at_the_newest_event_and_never_goes_back,
    webhooks::retries_come_due_in_order,
    webhooks::dead_retries_are_never_due,
    webhooks::a_destination_can_be_disabled,
    destinations::a_destination_changes_in_what_is_given,
    destinations::a_secret_takes_over_from_another,
    destinations::names_are_taken_once_in_a_set_and_in_the_workspace,
    destinations::a_workspace_hears_of_all_its_sets,
    destinations::a_disabled_destination_is_an_event_of_its_workspace,
    destinations::calls_are_logged_and_the_oldest_go,
    destinations::what_was_given_up_is_replayed,
    destinations::a_stretch_of_the_log_is_replayed,
    destinations::what_is_kept_of_a_destination_goes_with_it,
    inbound::what_came_in_survives_with_what_it_says,
    inbound::a_delivery_bounces_once,
    inbound::what_can_not_be_is_left_out_and_the_rest_stands,
    inbound::what_is_said_of_a_delivery_in_flight_leaves_no_gap,
    inbound::what_was_offered_settles_after_an_answer,
    inbound::mail_to_a_domain_is_told_to_its_set_and_its_workspace,
    inbound::a_message_for_two_has_one_body,
    inbound::a_refused_message_fails_alone_and_leaves_nothing,
    inbound::what_is_kept_holds_no_file_of_the_queue,
    inbound::deliveries_are_found_by_their_message_id,
    inbound::an_operator_finds_what_came_in,
    once::feedback_is_told_once,
    once::a_wish_by_mail_is_told_once,
    once::who_is_on_the_list_for_something_else_unsubscribes,
    inbound_kept::what_is_forwarded_is_kept_until_it_is_handed_on,
    inbound_kept::octets_go_first_and_then_the_rest,
    inbound_kept::what_is_left_of_a_delivery_takes_what_comes_late,
    inbound_kept::a_destination_hears_what_came_late_before_it_goes,
    inbound_kept::routes_stand_in_the_directory,
    inbound_kept::many_come_in_at_once,
    engagement::a_hit_that_was_kept_survives_a_crash,
    engagement::hits_are_due_by_delivery_when_the_oldest_is,
    engagement::what_is_told_is_counted_and_goes,
    engagement::a_hit_is_told_once,
    engagement::hits_of_what_nobody_knows_are_taken_off,
    engagement::what_is_told_of_a_delivery_in_flight_leaves_no_gap,
    engagement::no_more_hits_wait_than_may,
    engagement::what_is_left_of_a_delivery_is_visited_without_a_count,
    engagement::who_unsubscribes_does_so_once,
    engagement::who_was_taken_off_the_list_unsubscribes_anew,
    engagement::a_list_of_other_mail_unsubscribes_nobody,
    engagement::mail_goes_on_beside_many_hits,
    links::long_addresses_are_found_by_their_name,
    links::addresses_stay_for_as_long_as_somebody_may_click,
    links::addresses_stay_with_the_messages_that_have_them,
    links::blocked_links_stand_in_the_directory,
    retention::what_is_over_is_removed,
    retention::what_is_not_old_enough_stays,
    retention::a_message_stays_until_all_its_deliveries_are_over,
    retention::scheduled_mail_stays,
    retention::the_newest_event_stays,
    retention::what_a_destination_has_not_heard_stays,
    retention::a_disabled_destination_keeps_what_it_has_not_heard,
    retention::calls_that_are_due_again_hold_and_dead_ones_go,
    retention::what_a_report_is_to_be_made_of_stays,
    retention::a_round_goes_on_in_stretches,
    retention::a_message_to_many_is_removed,
    retention::keys_go_when_they_have_expired,
);
