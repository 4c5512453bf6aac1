-- Each word of an event is an insertion into the text index of its own, the dearest part of a creation. With fastupdate they
-- go to a short list in front of the index, which every search reads too, and from there into it many at a time. The list is
-- kept short (128 kB, some hundred events), so that neither a search nor the write that empties it is held up by it.
ALTER INDEX event_words_index SET (fastupdate = on, gin_pending_list_limit = 128);

-- A batch of writes may be sent in one go by who knows how the last one left the catalogue. This ends the transaction of one
-- who was wrong, before anything is written.
CREATE FUNCTION evently_expect(holds boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF holds THEN
		RETURN true;
	END IF;
	RAISE EXCEPTION 'another writer came first, the batch begins again' USING ERRCODE = 'serialization_failure';
END $$;
