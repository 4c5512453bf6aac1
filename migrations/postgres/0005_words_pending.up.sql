-- Each word of an event is an insertion into the text index of its own, the dearest part of a creation. With fastupdate they
-- go to a short list in front of the index, which every search reads too, and from there into it many at a time. The list is
-- kept short (128 kB, some hundred events), so that neither a search nor the write that empties it is held up by it.
ALTER INDEX event_words_index SET (fastupdate = on, gin_pending_list_limit = 128);
