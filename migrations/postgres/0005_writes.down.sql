DROP FUNCTION evently_expect(boolean);
ALTER INDEX event_words_index SET (fastupdate = off);
ALTER INDEX event_words_index RESET (gin_pending_list_limit);
SELECT gin_clean_pending_list('event_words_index');
