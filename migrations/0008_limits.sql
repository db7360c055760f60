-- Who made a subscription, by the platform's number of the person: one person's subscriptions are bounded wherever they are.
-- Of older ones the last subscriber of the chat is taken. NULL where the chat itself subscribed, or the person is forgotten.
ALTER TABLE subscription ADD COLUMN person TEXT;
UPDATE subscription SET person = (SELECT owner FROM chat WHERE chat.id = chat_id);
CREATE INDEX subscription_by_person ON subscription (person) WHERE person IS NOT NULL;
