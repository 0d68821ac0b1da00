-- What feedback has come about a delivery is looked for among its events, of which there may be very many.
CREATE INDEX event_feedback ON event (delivery_id) WHERE kind IN ('Complaint', 'NotSpam');
